;; tries: to rewrite the operator's terminal by the text of an error
;; stopped by: escapes in every text of a guest that reaches the log
;; fails: failed it reported: \u{1b}]0;owned\u{7}\n\u{1b}[2J

;;; items
(data (i32.const 2048) "\1b]0;owned\07\0a\1b[2J")

;;; poll
;; the error `failed` with that text
(i32.store8 (i32.const 512) (i32.const 1))
(i32.store8 (i32.const 516) (i32.const 5))
(i32.store (i32.const 520) (i32.const 2048)) (i32.store (i32.const 524) (i32.const 15))
(i32.const 512)
