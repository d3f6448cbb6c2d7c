;; tries: to report for a resource that begins as its own instance's does
;; stopped by: the check of every sample
;; grants: instance
;; sample: foreign_resource is not of the polled instance

;;; imports
(import "nephoscope:meter/instance@0.1.0" "id" (func $id (param i32)))

;;; poll
;; its UUID, and an `x` where a hyphen would stand before a device
(call $id (i32.const 4096))
(memory.copy (i32.const 8192) (i32.load (i32.const 4096)) (i32.load (i32.const 4100)))
(i32.store8 (i32.add (i32.const 8192) (i32.load (i32.const 4100))) (i32.const 120))
(i32.store8 (i32.const 1048) (i32.const 1))
(i32.store (i32.const 1052) (i32.const 8192))
(i32.store (i32.const 1056) (i32.add (i32.load (i32.const 4100)) (i32.const 1)))
(call $ok (i32.const 1024) (i32.const 1))
