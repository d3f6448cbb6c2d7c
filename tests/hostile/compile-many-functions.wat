;; tries: to keep the compiler busy: twenty thousand functions
;; stopped by: the compiler's child, with limits of time and memory; it takes a second and comes to nothing
;; harmless: 1
;; polls: 10

;;; items * 20000
(func (param i32) (result i32) (i32.add (local.get 0) (i32.const %)))
