;; tries: to put bytes that are no text where a text is due
;; stopped by: the canonical ABI's own checks
;; fails: trap

;;; items
(data (i32.const 2048) "\ff\fe\c0")

;;; poll
(i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const 3))
(call $ok (i32.const 1024) (i32.const 1))
