/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose header reads well and whose tensors do not fit the method, or whose values break a
   rule. See table_test.c. Included as the body of an array. */

#define BAD(what, text, bytes, say)                                                                \
    {                                                                                              \
        .name = what, .file = {.header = text, .zeros = bytes}, .words = say                       \
    }
#define PATCHED(what, text, bytes, place, data, say)                                               \
    {                                                                                              \
        .name = what, .words = say, .file = {                                                      \
            .header = text,                                                                        \
            .zeros = bytes,                                                                        \
            .at = place,                                                                           \
            .patch = data,                                                                         \
            .patch_n = sizeof data - 1                                                             \
        }                                                                                          \
    }
#define ONE(what, name, dtype, shape, bytes, say)                                                  \
    BAD(what, HEAD(FULL, TENSOR(name, dtype, shape, "0", #bytes)), bytes, say)
#define WITH(what, name, dtype, shape, begin, end, bytes, say)                                     \
    BAD(what, HEAD(FULL, WEIGHT "," TENSOR(name, dtype, shape, begin, end)), bytes, say)
#define KEYS TENSOR("keys", "I64", "[2]", "32", "48")
#define TOUCHED TENSOR("touched", "I64", "[2]", "48", "64")
#define GROWING WEIGHT "," KEYS "," TOUCHED
#define SEVEN_64 "\7\0\0\0\0\0\0\0"
#define MINUS_TWO_64 "\xfe\xff\xff\xff\xff\xff\xff\xff"
#define VALUE(what, place, data, say) PATCHED(what, HEAD(FULL, WEIGHT), 32, place, data, say)
#define INT8(config) META("int8", "2", "4") CONFIG(config)
#define TABLE_SCALE INT8("{`signed`:false,`qparam`:`table`,`scale`:1}")
#define ROW_SCALE INT8("{`signed`:false,`qparam`:`row`}")
#define Q8 TENSOR("q", "U8", "[2,4]", "0", "8")
#define COMPO(rows, config, q, middle, r, end)                                                     \
    HEAD(META("compo", rows, "2") CONFIG(config),                                                  \
         TENSOR("q.weight", "F32", q, "0", middle) "," TENSOR("r.weight", "F32", r, middle, end))
#define MULT "{`collisions`:2,`op`:`mult`}"
#define FIELDS                                                                                     \
    META("hash", "3", "2") ",'embd.fields':'[2,1]'" CONFIG("{`per_field`:[{},{`method`:`full`}]}")
#define F0 TENSOR("f0.table", "F32", "[1,2]", "0", "8")

#define F32_NAN "\x00\x00\xc0\x7f"
#define F32_SIGNALLING "\x01\x00\x80\xff"
#define F32_INFINITY "\x00\x00\x80\x7f"
#define F32_MINUS_INFINITY "\x00\x00\x80\xff"
#define F32_LEAST_NEGATIVE "\x01\x00\x00\x80"
#define F32_MINUS_ONE "\x00\x00\x80\xbf"
#define MINUS_ONE_64 "\xff\xff\xff\xff\xff\xff\xff\xff"

/* Which tensors there are */
BAD("no tensors", "{'__metadata__':{" FULL "}}", 0, "tensor \"weight\" is missing"),
    ONE("misspelt", "wieght", "F32", "[2,4]", 32, "tensor \"weight\" is missing"),
    ONE("name with a prefix", "f0.weight", "F32", "[2,4]", 32, "tensor \"weight\" is missing"),
    WITH("one too many", "bias", "F32", "[4]", "32", "48", 48,
         "tensor \"bias\" is not known to the method full"),
    WITH("note as a tensor", "note", "U8", "[4]", "32", "36", 36, "tensor \"note\" is not known"),
    WITH("name with a line break", "a\\nb", "U8", "[4]", "32", "36", 36,
         "tensor \"a\\nb\" is not known"),
    BAD("qparams with one scale",
        HEAD(TABLE_SCALE, Q8 "," TENSOR("qparams", "F32", "[2,2]", "8", "24")), 24,
        "tensor \"qparams\" goes with qparam=row only"),
    BAD("qparams missing", HEAD(ROW_SCALE, Q8), 8, "tensor \"qparams\" is missing"),
    BAD("field's tensor missing", HEAD(FIELDS, F0), 8, "tensor \"f1.weight\" is missing"),
    BAD("field's tensor without its prefix",
        HEAD(FIELDS, F0 "," TENSOR("weight", "F32", "[1,2]", "8", "16")), 16,
        "tensor \"f1.weight\" is missing"),
    BAD("prefix of no field",
        HEAD(FIELDS, F0 "," TENSOR("f1.weight", "F32", "[1,2]", "8",
                                   "16") "," TENSOR("f2.weight", "F32", "[1,2]", "16", "24")),
        24, "tensor \"f2.weight\" is not known to the method hash (with per_field"),
    BAD("prefix f01",
        HEAD(FIELDS, F0 "," TENSOR("f1.weight", "F32", "[1,2]", "8",
                                   "16") "," TENSOR("f01.weight", "F32", "[1,2]", "16", "24")),
        24, "tensor \"f01.weight\" is not known"),

    /* Types and shapes */
    ONE("F16 for F32", "weight", "F16", "[2,4]", 16, "tensor \"weight\" holds F16; it must be F32"),
    ONE("F64 for F32", "weight", "F64", "[2,4]", 64, "tensor \"weight\" holds F64; it must be F32"),
    ONE("U32 for F32", "weight", "U32", "[2,4]", 32, "tensor \"weight\" holds U32; it must be F32"),
    BAD("signed integers unsigned", HEAD(INT8("{`signed`:true,`qparam`:`table`,`scale`:1}"), Q8), 8,
        "tensor \"q\" holds U8; it must be I8"),
    ONE("too few rows", "weight", "F32", "[1,4]", 16, "tensor \"weight\" has the shape [1, 4]"),
    ONE("too many rows", "weight", "F32", "[3,4]", 48, "[N = 2, D = 4]"),
    ONE("too narrow", "weight", "F32", "[2,3]", 24, "tensor \"weight\" has the shape [2, 3]"),
    ONE("transposed", "weight", "F32", "[4,2]", 32, "tensor \"weight\" has the shape [4, 2]"),
    ONE("flat", "weight", "F32", "[8]", 32, "tensor \"weight\" has the shape [8]"),
    ONE("one dimension too many", "weight", "F32", "[2,4,1]", 32,
        "tensor \"weight\" has the shape [2, 4, 1]"),
    ONE("scalar", "weight", "F32", "[]", 4, "tensor \"weight\" has the shape []"),
    BAD("qparams of three",
        HEAD(ROW_SCALE,
             TENSOR("q", "U8", "[2,4]", "0", "8") "," TENSOR("qparams", "F32", "[2,3]", "8", "32")),
        32, "tensor \"qparams\" has the shape [2, 3]"),
    BAD("compo remainders", COMPO("4", MULT, "[2,2]", "16", "[3,2]", "40"), 40,
        "tensor \"r.weight\" has the shape [3, 2]"),
    BAD("compo too few quotients", COMPO("5", MULT, "[2,2]", "16", "[2,2]", "32"), 32,
        "id 4 needs row 2"),
    BAD("compo columns", COMPO("4", MULT, "[2,3]", "24", "[2,2]", "40"), 40, "both must have 2"),
    BAD("compo concat with no columns",
        COMPO("4", "{`collisions`:2,`op`:`concat`}", "[2,0]", "0", "[2,2]", "16"), 16,
        "both need some"),
    BAD("compo concat too wide",
        COMPO("4", "{`collisions`:2,`op`:`concat`}", "[2,1]", "8", "[2,2]", "24"), 24,
        "together 2"),
    BAD("hash without slots",
        HEAD(META("hash", "3", "2"), TENSOR("table", "F32", "[0,2]", "0", "0")), 0, "has no row"),

    /* Tensors that any table may have */
    WITH("keys in I32", "keys", "I32", "[2]", "32", "40", 40,
         "tensor \"keys\" holds I32; it must be I64"),
    WITH("keys of another length", "keys", "I64", "[3]", "32", "56", 56,
         "tensor \"keys\" has the shape [3]; it must be [N = 2]"),
    WITH("keys in two dimensions", "keys", "I64", "[2,1]", "32", "48", 48,
         "tensor \"keys\" has the shape [2, 1]"),
    WITH("key twice", "keys", "I64", "[2]", "32", "48", 48,
         "tensor \"keys\": 0 is there twice, in rows 0 and 1"),
    PATCHED("key -1 twice", HEAD(FULL, WEIGHT "," TENSOR("keys", "I64", "[2]", "32", "48")), 48, 32,
            MINUS_ONE_64 MINUS_ONE_64, "tensor \"keys\": -1 is there twice"),
    WITH("touched without keys", "touched", "I64", "[2]", "32", "48", 48,
         "tensor \"touched\" goes with the tensor \"keys\""),
    WITH("touched in I32", "touched", "I32", "[2]", "32", "40", 40,
         "tensor \"touched\" holds I32; it must be I64"),
    WITH("touched of another length", "touched", "I64", "[1]", "32", "40", 40,
         "tensor \"touched\" has the shape [1]; it must be [N = 2]"),
    PATCHED("key of used rows twice", HEAD(FULL, GROWING), 64, 48, SEVEN_64 SEVEN_64,
            "tensor \"keys\": 0 is there twice, in rows 0 and 1"),
    PATCHED("touched below -1", HEAD(FULL, GROWING), 64, 56, MINUS_TWO_64,
            "tensor \"touched\": element [1] is below -1"),
    BAD("touched with fields", HEAD(FULL ",'embd.fields':'[1,1]'", GROWING), 64,
        "tensor \"touched\": a table with fields cannot grow"),
    BAD("touched of a method with codes",
        HEAD(META("dedup", "2", "4") CONFIG("{`bx`:2,`by`:4}"),
             TENSOR("blocks", "F32", "[1,2,4]", "0",
                    "32") "," KEYS "," TOUCHED "," TENSOR("map", "I32", "[1]", "64", "68")),
        68, "a table of the method dedup cannot grow"),
    BAD("deviation without touched", HEAD(FULL ",'embd.deviation':'0.5'", WEIGHT), 32,
        "embd.deviation goes with the tensor \"touched\" only"),
    BAD("deviation 0", HEAD(FULL ",'embd.deviation':'0'", GROWING), 64,
        "embd.deviation is \"0\"; it must be a number above 0"),
    BAD("deviation inf", HEAD(FULL ",'embd.deviation':'inf'", GROWING), 64,
        "embd.deviation is \"inf\""),
    WITH("default in F16", "default", "F16", "[4]", "32", "40", 40,
         "tensor \"default\" holds F16; it must be F32"),
    WITH("default too short", "default", "F32", "[3]", "32", "44", 44,
         "tensor \"default\" has the shape [3]; it must be [D = 4]"),
    WITH("default as a matrix", "default", "F32", "[1,4]", "32", "48", 48,
         "tensor \"default\" has the shape [1, 4]"),
    WITH("frequency in F32", "frequency", "F32", "[2]", "32", "40", 40,
         "tensor \"frequency\" holds F32; it must be I64"),
    WITH("frequency too long", "frequency", "I64", "[3]", "32", "56", 56,
         "tensor \"frequency\" has the shape [3]"),
    WITH("state without its tensor", "optimizer.bias.sum", "F32", "[2,4]", "32", "64", 64,
         "state of a tensor that is not there"),
    WITH("state of a state", "optimizer.optimizer.weight.m.m", "F32", "[2,4]", "32", "64", 64,
         "state of a tensor that is not there"),
    WITH("unknown state", "optimizer.weight.momentum", "F32", "[2,4]", "32", "64", 64,
         "it must be sum, m or v"),
    WITH("state without a name", "optimizer.weight", "F32", "[2,4]", "32", "64", 64,
         "is not named optimizer.<tensor>.<state>"),
    WITH("state in F16", "optimizer.weight.m", "F16", "[2,4]", "32", "48", 48,
         "holds F16; it must be F32"),
    WITH("moment a row", "optimizer.weight.v", "F32", "[2]", "32", "40", 40,
         "it must be that of \"weight\""),
    WITH("sum a column", "optimizer.weight.sum", "F32", "[4]", "32", "48", 48,
         "or one number a row"),

    /* Values */
    VALUE("NaN first", 0, F32_NAN, "tensor \"weight\": element [0,0] is not finite"),
    VALUE("NaN last", 28, F32_NAN, "tensor \"weight\": element [1,3] is not finite"),
    VALUE("signalling NaN", 4, F32_SIGNALLING, "tensor \"weight\": element [0,1] is not finite"),
    VALUE("infinity", 16, F32_INFINITY, "tensor \"weight\": element [1,0] is not finite"),
    VALUE("minus infinity", 20, F32_MINUS_INFINITY,
          "tensor \"weight\": element [1,1] is not finite"),
    PATCHED("F16 infinity",
            HEAD(META("fp16", "2", "4"), TENSOR("weight", "F16", "[2,4]", "0", "16")), 16, 6,
            "\x00\x7c", "tensor \"weight\": element [0,3] is not finite"),
    PATCHED("F16 NaN", HEAD(META("fp16", "2", "4"), TENSOR("weight", "F16", "[2,4]", "0", "16")),
            16, 14, "\x01\xfc", "tensor \"weight\": element [1,3] is not finite"),
    PATCHED("BF16 infinity",
            HEAD(META("bf16", "2", "4"), TENSOR("weight", "BF16", "[2,4]", "0", "16")), 16, 2,
            "\x80\xff", "tensor \"weight\": element [0,1] is not finite"),
    PATCHED("BF16 NaN", HEAD(META("bf16", "2", "4"), TENSOR("weight", "BF16", "[2,4]", "0", "16")),
            16, 0, "\xc0\x7f", "tensor \"weight\": element [0,0] is not finite"),
    PATCHED("scale negative",
            HEAD(ROW_SCALE, TENSOR("q", "U8", "[2,4]", "16", "24") "," TENSOR("qparams", "F32",
                                                                              "[2,2]", "0", "16")),
            24, 8, F32_MINUS_ONE, "the scale of row 1 is -1"),
    PATCHED("scale NaN",
            HEAD(ROW_SCALE, TENSOR("q", "U8", "[2,4]", "16", "24") "," TENSOR("qparams", "F32",
                                                                              "[2,2]", "0", "16")),
            24, 8, F32_NAN, "tensor \"qparams\""),
    PATCHED("minimum infinite",
            HEAD(ROW_SCALE, TENSOR("q", "U8", "[2,4]", "16", "24") "," TENSOR("qparams", "F32",
                                                                              "[2,2]", "0", "16")),
            24, 12, F32_INFINITY, "tensor \"qparams\": element [1,1] is not finite"),
    PATCHED("NaN in a field", HEAD(FIELDS, F0 "," TENSOR("f1.weight", "F32", "[1,2]", "8", "16")),
            16, 12, F32_NAN, "tensor \"f1.weight\": element [0,1] is not finite"),
    PATCHED("NaN in default", HEAD(FULL, WEIGHT "," TENSOR("default", "F32", "[4]", "32", "48")),
            48, 40, F32_NAN, "tensor \"default\": element [2] is not finite"),
    PATCHED("frequency negative",
            HEAD(FULL, WEIGHT "," TENSOR("frequency", "I64", "[2]", "32", "48")), 48, 40,
            MINUS_ONE_64, "tensor \"frequency\": element [1] is below 0"),
    PATCHED("sum negative",
            HEAD(FULL, WEIGHT "," TENSOR("optimizer.weight.sum", "F32", "[2]", "32", "40")), 40, 32,
            F32_MINUS_ONE, "tensor \"optimizer.weight.sum\": element [0] is below 0"),
    PATCHED("sum just below zero",
            HEAD(FULL, WEIGHT "," TENSOR("optimizer.weight.sum", "F32", "[2]", "32", "40")), 40, 36,
            F32_LEAST_NEGATIVE, "tensor \"optimizer.weight.sum\": element [1] is below 0"),
    PATCHED("moment infinite",
            HEAD(FULL, WEIGHT "," TENSOR("optimizer.weight.m", "F32", "[2,4]", "32", "64")), 64, 60,
            F32_INFINITY, "tensor \"optimizer.weight.m\": element [1,3] is not finite"),

    /* A wrong checksum is damage, and explains whatever else is found */
    {.name = "checksum",
     .status = ST_DATA_LOSS,
     .words = "embd.checksum says 0123456789abcdef",
     .file = {.header = HEAD(FULL ",'embd.checksum':'0123456789abcdef'", WEIGHT), .zeros = 32}},
    {.name = "checksum and NaN",
     .status = ST_DATA_LOSS,
     .words = "embd.checksum says",
     .file = {.header = HEAD(FULL ",'embd.checksum':'0123456789abcdef'", WEIGHT),
              .zeros = 32,
              .patch = F32_NAN,
              .patch_n = 4}},
    {.name = "checksum and a key twice",
     .status = ST_DATA_LOSS,
     .words = "embd.checksum says",
     .file = {.header = HEAD(FULL ",'embd.checksum':'0123456789abcdef'",
                             WEIGHT "," TENSOR("keys", "I64", "[2]", "32", "48")),
              .zeros = 48}},
    {.name = "checksum and quotients",
     .status = ST_DATA_LOSS,
     .words = "embd.checksum says",
     .file = {.header = COMPO("5", MULT "','embd.checksum':'0123456789abcdef", "[2,2]", "16",
                              "[2,2]", "32"),
              .zeros = 32}},

#undef BAD
#undef PATCHED
#undef ONE
#undef WITH
#undef VALUE
#undef INT8
#undef TABLE_SCALE
#undef ROW_SCALE
#undef Q8
#undef COMPO
#undef MULT
#undef FIELDS
#undef F0
#undef F32_NAN
#undef F32_SIGNALLING
#undef F32_INFINITY
#undef F32_MINUS_INFINITY
#undef F32_MINUS_ONE
#undef F32_LEAST_NEGATIVE
#undef MINUS_ONE_64
