;; tries: to be a module that is a text
;; stopped by: the first bytes
;; refused: is no WebAssembly component: it does not begin as WebAssembly does

;;; bytes
mem.max = 512
