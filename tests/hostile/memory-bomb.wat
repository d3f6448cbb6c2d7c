;; tries: to take all memory, page by page
;; stopped by: `limits.memory`
;; fails: memory it wanted more memory than limits.memory allows
;; polls: 1000

;;; poll
(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable
