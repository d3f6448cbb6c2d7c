;; tries: to keep the compiler busy: a jump table of twenty thousand targets, in fifty functions
;; stopped by: the compiler's child, with limits of time and memory; it takes a second and comes to nothing
;; harmless: 1
;; polls: 10

;;; items * 50
(func (param i32) (result i32) (block (block (block (br_table $targets (local.get 0))) (return (i32.const %))) (return (i32.const 1))) (i32.const 2))

;;; targets * 20000
0 1 2
