;; tries: to rewrite the operator's terminal, and to forge a line of the log, by what it logs
;; stopped by: escapes in every text of a guest that reaches the log
;; grants: log
;; harmless: 1
;; polls: 1000

;;; imports
(import "nephoscope:meter/log@0.1.0" "write" (func $write (param i32 i32 i32)))

;;; items
(data (i32.const 2048) "\1b[2J\0a2026-01-31T12:00:00Z ERROR all is lost\0d\07")

;;; poll
(call $write (i32.const 0) (i32.const 2048) (i32.const 45))
(call $ok (i32.const 1024) (i32.const 1))
