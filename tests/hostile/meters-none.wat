;; tries: to be a guest without a meter
;; stopped by: the check of what it declares
;; refused: declares no meter

;;; module
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32) (i32.const 256))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))
