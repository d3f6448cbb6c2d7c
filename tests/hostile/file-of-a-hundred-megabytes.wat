;; tries: to be a module of 100 MB
;; stopped by: no more than 64 MiB is read
;; refused: is larger than 64 MiB
;; pad: 104857600
