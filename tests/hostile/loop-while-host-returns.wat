;; tries: to compute for ever where the host hands it a text: in its allocator
;; stopped by: epochs, which count wherever guest code runs
;; fails: cpu_time it computed for longer than limits.cpu allows
;; grants: instance
;; cpu: 1ms
;; polls: 500

;;; module
(module
  (import "nephoscope:meter/instance@0.1.0" "id" (func $id (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "m")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (loop $for_ever (br $for_ever)) unreachable)
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 284) (i32.const 256))
    (i32.store (i32.const 288) (i32.const 1))
    (i32.const 284))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32)
    (call $id (i32.const 512)) unreachable))
