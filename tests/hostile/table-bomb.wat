;; tries: to take memory as a table
;; stopped by: `limits.table`
;; fails: table it wanted larger tables than limits.table allows

;;; items
(table $t 1 funcref)

;;; poll
(drop (table.grow $t (ref.null func) (i32.const 10000000))) unreachable
