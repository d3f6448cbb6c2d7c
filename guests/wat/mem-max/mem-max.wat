;; mem.max: the maximum memory of an instance, in MiB.
;;
;; A guest without a compiler: what the tools of other languages generate is written out here. It is a core module, and these rules
;; of the component model's canonical ABI are what it keeps:
;;
;; - Functions are named `package/interface@version` and `function`. A parameter or result of one number is that number. A result of
;;   more lies in memory: an imported function is told where to write it, an exported one says where it is.
;; - A record has its fields in their order, each at a multiple of its own alignment. A variant (an option, a result, an enum) has its
;;   case's number first, in one byte, and the payload at the next multiple of the largest alignment among all payloads.
;; - A text or list is two numbers: where its bytes are, and how many items it has.
;; - Where the host has texts or lists to hand in, it asks `cabi_realloc` for room.
;;
;; | address | what lies there          |          |                                                       |
;; |---------|--------------------------|----------|-------------------------------------------------------|
;; | 0       | texts, each ends in 0    |          |                                                       |
;; | 1024    | list<meter>              | 8 bytes  | where 0, how many 4                                   |
;; | 1032    | meter                    | 28 bytes | name 0, kind 8, unit 12, description 20               |
;; | 1088    | result<list<sample>, …>  | 16 bytes | case 0; list 4, or the error: case 4, text 8          |
;; | 1104    | sample                   | 48 bytes | meter 0; volume: case 8, number 16;                   |
;; |         |                          |          | resource-id: case 24, text 28; metadata 36            |
;; | 1152    | result<stats, error>     |224 bytes | case 0; stats: maximum 8, …, or the error: case 8, text 12 |
;; | 2048    | what the host hands in   |          | to the end of the page                                |

(module
  (import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param $result i32)))

  ;; One page, and no more: a fresh poll is cheap, and nothing can make this guest take memory.
  (memory (export "memory") 1 1)

  (global $name i32 (i32.const 0))
  (global $unit i32 (i32.const 256))
  (global $description i32 (i32.const 512))
  (data (i32.const 0) "mem.max\00")
  (data (i32.const 256) "MiB\00")
  (data (i32.const 512) "Maximum memory of the instance\00")

  (global $meters i32 (i32.const 1024))
  (global $meter i32 (i32.const 1032))
  (global $polled i32 (i32.const 1088))
  (global $sample i32 (i32.const 1104))
  (global $reading i32 (i32.const 1152))
  (global $heap i32 (i32.const 2048))

  ;; Where the next piece of the heap begins.
  (global $free (mut i32) (i32.const 2048))

  ;; Room for what the host hands in. Nothing is given back: `poll` starts over. Beyond the page it traps, which costs this poll and no
  ;; other.
  (func (export "cabi_realloc")
    (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    ;; (free + align - 1) & -align
    (local.set $at
      (i32.and
        (i32.sub (i32.add (global.get $free) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (if (i32.gt_u (local.get $at) (i32.const 65536)) (then unreachable))
    (if (i32.gt_u (local.get $size) (i32.sub (i32.const 65536) (local.get $at))) (then unreachable))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    ;; A piece that is to be larger moves; one that is to be smaller takes what fits.
    (memory.copy
      (local.get $at)
      (local.get $old)
      (select (local.get $old-size) (local.get $size) (i32.lt_u (local.get $old-size) (local.get $size))))
    (local.get $at))

  ;; Writes a text of the module into a field: where it is, and its bytes up to the 0.
  (func $put-text (param $field i32) (param $text i32)
    (local $end i32)
    (local.set $end (local.get $text))
    (block $found
      (loop $next
        (br_if $found (i32.eqz (i32.load8_u (local.get $end))))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $field) (local.get $text))
    (i32.store offset=4 (local.get $field) (i32.sub (local.get $end) (local.get $text))))

  ;; meters: func() -> list<meter>
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (call $put-text (global.get $meter) (global.get $name))
    (i32.store8 offset=8 (global.get $meter) (i32.const 0)) ;; kind: gauge
    (call $put-text (i32.add (global.get $meter) (i32.const 12)) (global.get $unit))
    (call $put-text (i32.add (global.get $meter) (i32.const 20)) (global.get $description))
    (i32.store (global.get $meters) (global.get $meter))
    (i32.store offset=4 (global.get $meters) (i32.const 1))
    (global.get $meters))

  ;; poll: func() -> result<list<sample>, error>
  ;;
  ;; The host reads the result before it calls again: this poll may write over what the last one returned and was handed.
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32)
    (global.set $free (global.get $heap))
    (call $inspect (global.get $reading))
    (if (result i32) (i32.load8_u (global.get $reading))
      (then (call $hand-on))
      (else (call $answer (i64.load offset=8 (global.get $reading))))))

  ;; The reading's error as it is: the runtime judges it. Of cases without a text nobody looks at what lies in its place.
  (func $hand-on (result i32)
    (i32.store8 (global.get $polled) (i32.const 1)) ;; err
    (i32.store8 offset=4 (global.get $polled) (i32.load8_u offset=8 (global.get $reading)))
    (i64.store offset=8 align=4 (global.get $polled) (i64.load offset=12 align=4 (global.get $reading)))
    (global.get $polled))

  ;; One sample. A double, so that a maximum of whole KiB keeps its fraction of a MiB.
  (func $answer (param $bytes i64) (result i32)
    (call $put-text (global.get $sample) (global.get $name))
    (i32.store8 offset=8 (global.get $sample) (i32.const 2)) ;; volume: real
    (f64.store offset=16 (global.get $sample)
      (f64.div (f64.convert_i64_u (local.get $bytes)) (f64.const 1048576)))
    (i32.store8 offset=24 (global.get $sample) (i32.const 0)) ;; resource-id: none, which is the instance
    (i64.store offset=36 align=4 (global.get $sample) (i64.const 0)) ;; metadata: no items
    (i32.store8 (global.get $polled) (i32.const 0)) ;; ok
    (i32.store offset=4 (global.get $polled) (global.get $sample))
    (i32.store offset=8 (global.get $polled) (i32.const 1))
    (global.get $polled)))
