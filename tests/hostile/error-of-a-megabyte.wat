;; tries: to fill the log by the text of an error
;; stopped by: an excerpt of it is all that is kept
;; fails: failed it reported: aaaaaaaa

;;; poll
(drop (memory.grow (i32.const 15)))
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 900000))
(i32.store8 (i32.const 512) (i32.const 1))
(i32.store8 (i32.const 516) (i32.const 5))
(i32.store (i32.const 520) (i32.const 65536)) (i32.store (i32.const 524) (i32.const 900000))
(i32.const 512)
