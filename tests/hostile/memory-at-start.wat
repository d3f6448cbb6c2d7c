;; tries: to begin with more memory than it may have
;; stopped by: `limits.memory`, before any of it is there
;; refused: failed while it was asked for its meters

;;; module
(module
  (memory (export "memory") 3000)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))
