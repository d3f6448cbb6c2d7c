;; tries: to declare ten thousand meters
;; stopped by: the check of what it declares
;; refused: 10000 meters, more than 256

;;; module
(module
  (memory (export "memory") 8)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 10000)) (i32.const 0))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))
