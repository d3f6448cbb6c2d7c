;; tries: to declare a meter with a description of 900 kB
;; stopped by: the check of what it declares
;; refused: or a description of more than 1024

;;; module
(module
  (memory (export "memory") 16)
  (data (i32.const 0) "d")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (memory.fill (i32.const 65536) (i32.const 97) (i32.const 900000))
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 276) (i32.const 65536)) (i32.store (i32.const 280) (i32.const 900000))
    (i32.store (i32.const 284) (i32.const 256)) (i32.store (i32.const 288) (i32.const 1)) (i32.const 284))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))
