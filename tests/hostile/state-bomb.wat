;; tries: to have the host remember ever more: values of a kilobyte under ever new keys
;; stopped by: `limits.state_bytes` of an instance; `set` says no, and what is there stays
;; grants: state
;; harmless: 1
;; polls: 2000

;;; imports
(import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))

;;; items
(global $key (mut i32) (i32.const 0))

;;; poll
(loop $again
  (i32.store (i32.const 2048) (i32.add (i32.const 0x30303030) (global.get $key)))
  (drop (call $set (i32.const 2048) (i32.const 4) (i32.const 4096) (i32.const 1024)))
  (global.set $key (i32.add (global.get $key) (i32.const 1)))
  (br_if $again (i32.lt_u (global.get $key) (i32.const 70))))
(call $ok (i32.const 1024) (i32.const 1))
