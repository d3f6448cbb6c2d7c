;; tries: to have length times size wrap around
;; stopped by: the canonical ABI's own checks
;; fails: trap

;;; poll
(call $ok (i32.const 1024) (i32.const 0x10000001))
