;; tries: to have many tables
;; stopped by: the pool, which has twenty for a component
;; refused: is no WebAssembly component

;;; items * 40
(table 1 funcref)
