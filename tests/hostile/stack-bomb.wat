;; tries: to recurse until the host's stack overflows
;; stopped by: the guests' own stack, 512 KiB
;; fails: stack its stack overflowed
;; polls: 2000

;;; items
(func $down (param i64) (result i64) (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))

;;; poll
(drop (call $down (i64.const 0))) unreachable
