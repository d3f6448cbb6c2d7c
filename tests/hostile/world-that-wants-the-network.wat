;; tries: to import what no Nephoscope offers
;; stopped by: nothing but grants is linked
;; refused: which this runtime does not offer

;;; component
(component
  (import "wasi:http/outgoing-handler@0.2.0" (instance))
  (component $p)
  (instance $i (instantiate $p))
  (export "nephoscope:meter/pollster@0.1.0" (instance $i)))
