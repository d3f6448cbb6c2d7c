;; tries: to declare a unit that rewrites a terminal
;; stopped by: the check of what it declares
;; refused: with a unit of more than 255 bytes or with control characters

;;; module
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "u")
  (data (i32.const 128) "\1b[2J")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 268) (i32.const 128)) (i32.store (i32.const 272) (i32.const 4))
    (i32.store (i32.const 284) (i32.const 256)) (i32.store (i32.const 288) (i32.const 1)) (i32.const 284))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))
