;; tries: to fill the log
;; stopped by: `limits.log_bytes`; what is beyond is cut off, and that is said once
;; grants: log
;; harmless: 1
;; polls: 1000

;;; imports
(import "nephoscope:meter/log@0.1.0" "write" (func $write (param i32 i32 i32)))

;;; items
(data (i32.const 2048) "a line of the log that nobody wants to read a second time")
(global $left (mut i32) (i32.const 2000))

;;; poll
(loop $again
  (call $write (i32.const 2) (i32.const 2048) (i32.const 57))
  (global.set $left (i32.sub (global.get $left) (i32.const 1)))
  (br_if $again (global.get $left)))
(call $ok (i32.const 1024) (i32.const 1))
