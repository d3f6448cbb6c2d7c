;; tries: to call its own `poll` from within: in the allocator that the host calls
;; stopped by: what calls itself is guest code like any other; what leaves and enters again traps
;; grants: instance
;; fails: stack its stack overflowed
;; polls: 1000

;;; module
(module
  (import "nephoscope:meter/instance@0.1.0" "id" (func $id (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "m")
  (func $poll (export "nephoscope:meter/pollster@0.1.0#poll") (result i32)
    (call $id (i32.const 512)) (i32.const 512))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $again))
  (func $again (result i32) (i32.add (call $again) (i32.const 1)))
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (i32.store (i32.const 260) (i32.const 1))
    (i32.store (i32.const 284) (i32.const 256)) (i32.store (i32.const 288) (i32.const 1)) (i32.const 284)))
