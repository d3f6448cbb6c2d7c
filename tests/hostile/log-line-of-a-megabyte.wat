;; tries: to hand the host a log line of two megabytes
;; stopped by: `limits.host_bytes`
;; grants: log
;; fails: host_bytes it passed more bytes to the host in one call than limits.host_bytes allows

;;; imports
(import "nephoscope:meter/log@0.1.0" "write" (func $write (param i32 i32 i32)))

;;; poll
(drop (memory.grow (i32.const 40)))
(call $write (i32.const 1) (i32.const 0) (i32.const 2000000))
(call $ok (i32.const 1024) (i32.const 1))
