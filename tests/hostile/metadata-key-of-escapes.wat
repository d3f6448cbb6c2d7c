;; tries: to rewrite the operator's terminal by a metadata key, which the reason of its refusal quotes
;; stopped by: the check of every sample; escapes in every text of a guest that reaches the log
;; sample: metadata "\u{1b}[2J" is no key

;;; items
(data (i32.const 2048) "\1b[2J")

;;; poll
(i32.store (i32.const 1060) (i32.const 4096)) (i32.store (i32.const 1064) (i32.const 1))
(i32.store (i32.const 4096) (i32.const 2048)) (i32.store (i32.const 4100) (i32.const 4))
(i32.store8 (i32.const 4104) (i32.const 3))
(call $ok (i32.const 1024) (i32.const 1))
