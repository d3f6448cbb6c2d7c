;; tries: to declare a meter whose name rewrites a terminal
;; stopped by: the check of what it declares
;; refused: a name is 1 to 255 bytes without white space and control characters

;;; module
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "\1b[2J")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (i32.store (i32.const 260) (i32.const 4))
    (i32.store (i32.const 284) (i32.const 256)) (i32.store (i32.const 288) (i32.const 1)) (i32.const 284))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))
