;; tries: to return neither samples nor an error
;; stopped by: the canonical ABI's own checks
;; fails: trap

;;; poll
(i32.store8 (i32.const 512) (i32.const 9)) (i32.const 512)
