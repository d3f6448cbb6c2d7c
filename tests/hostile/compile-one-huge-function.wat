;; tries: to keep the compiler busy: one function of a million instructions
;; stopped by: the compiler's child, with limits of time and memory; it takes some seconds and comes to nothing
;; harmless: 1
;; polls: 10

;;; items
(func $huge (param i64) (result i64)
  (local.get 0)
  $many)

;;; many * 200000
(i64.const 3) i64.mul (local.get 0) i64.xor
