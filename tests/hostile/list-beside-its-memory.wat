;; tries: to have the host read from an address that is not its own
;; stopped by: the canonical ABI's own checks
;; fails: trap

;;; poll
(call $ok (i32.const 0xfffffff0) (i32.const 1))
