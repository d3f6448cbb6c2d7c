;; tries: to pass every trial, and then turn
;; stopped by: it costs its own polls; in a probation the old generation polls in its stead and comes back
;; grants: state
;; fails: trap wasm `unreachable` instruction executed
;; from: 21

;;; imports
(import "nephoscope:meter/state@0.1.0" "get" (func $get (param i32 i32 i32)))
(import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))

;;; poll
(call $get (i32.const 0) (i32.const 1) (i32.const 8192))
(if (i32.and (i32.load8_u (i32.const 8192)) (i32.ge_u (i32.load (i32.const 8200)) (i32.const 20))) (then unreachable))
(drop (call $set (i32.const 0) (i32.const 1) (i32.const 4096)
  (i32.add (i32.const 1) (select (i32.load (i32.const 8200)) (i32.const 0) (i32.load8_u (i32.const 8192))))))
(call $ok (i32.const 1024) (i32.const 1))
