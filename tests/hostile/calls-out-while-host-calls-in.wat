;; tries: to call the host from within the allocator that the host has called: a host call in a host call
;; stopped by: a component may not be left while the host is at work in it
;; grants: instance
;; fails: trap

;;; module
(module
  (import "nephoscope:meter/instance@0.1.0" "id" (func $id (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "m")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $id (i32.const 600)) (i32.const 1024))
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) (call $id (i32.const 512)) (i32.const 512))
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 284) (i32.const 256)) (i32.store (i32.const 288) (i32.const 1)) (i32.const 284)))
