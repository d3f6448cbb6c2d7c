;; tries: to stay below every threshold: it traps now and then, as its instances' counters happen to be
;; stopped by: each such poll is lost and counted; during a probation the fifth is one too many
;; grants: state
;; isolation: cycle
;; fails: trap wasm `unreachable` instruction executed
;; every: 100

;;; items
(global $polls (mut i32) (i32.const 0))

;;; poll
;; with an instance for a cycle it can count its polls; after a trap it begins anew
(global.set $polls (i32.add (global.get $polls) (i32.const 1)))
(if (i32.eq (global.get $polls) (i32.const 100)) (then unreachable))
(call $ok (i32.const 1024) (i32.const 1))
