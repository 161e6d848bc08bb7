/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose container is malformed: length, JSON, metadata object, tensor entries, layout. Each
   differs from a good file in one thing; see safetensors_test.c. Included as the body of an array.
 */

#define ENTRY(text) HEAD(FULL, "'weight':{" text "}")
#define SHAPE(shape) HEAD(FULL, TENSOR("weight", "F32", shape, "0", "32"))
#define DTYPE(name) HEAD(FULL, TENSOR("weight", name, "[2,4]", "0", "32"))
#define PLACE(begin, end) HEAD(FULL, TENSOR("weight", "F32", "[2,4]", begin, end))
#define GOOD HEAD(FULL, WEIGHT)
#define NAME_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"
#define BAD(what, text, bytes, say)                                                                \
    {                                                                                              \
        .name = what, .file = {.header = text, .zeros = bytes}, .words = say                       \
    }
#define LYING(what, claim, say)                                                                    \
    {                                                                                              \
        .name = what, .file = {.header = GOOD, .zeros = 32, .length = claim}, .words = say         \
    }

/* The length word */
LYING("length 2^64 - 1", UINT64_MAX, "at most 1048576 are read"),
    LYING("length 2^63", UINT64_C(1) << 63, "at most 1048576 are read"),
    LYING("length over the format's cap", 100000001, "at most 1048576 are read"),
    LYING("length over our cap", 1048577, "at most 1048576 are read"),
    LYING("length at our cap, beyond the file", 1048576, "but only "),
    LYING("length cuts the JSON", 20, "string that does not end"),
    LYING("length reaches into the data", 160, "after the JSON"),

    LYING("length 4 beyond the file", 186, "but only 182 follow"),

    /* What stands around the JSON */
    BAD("only spaces", "   ", 0, "header: is empty"),
    BAD("newline before", "\n" GOOD, 32, "does not begin with"),
    BAD("tab before", "\t" GOOD, 32, "does not begin with"),
    BAD("byte order mark", "\xef\xbb\xbf" GOOD, 32, "does not begin with"),
    BAD("newline after", GOOD "\n", 32, "has \"\\n\" after the JSON; only spaces"),
    BAD("tab after", GOOD "  \t", 32, "has \"\\t\" after the JSON"),
    BAD("second object after", GOOD "{}", 32, "has \"{\" after the JSON"),
    BAD("closing brace after", GOOD "}", 32, "has \"}\" after the JSON"),

    /* The text */
    BAD("bytes that are no UTF-8", "{'\xff':{}}", 0, "not valid UTF-8"),
    BAD("overlong UTF-8", "{'\xc0\xaf':{}}", 0, "not valid UTF-8"),
    BAD("surrogate in UTF-8", "{'\xed\xa0\x80':{}}", 0, "not valid UTF-8"),
    BAD("cut UTF-8", "{'\xe2\x82':{}}", 0, "not valid UTF-8"),
    BAD("lone surrogate escape", "{'\\ud800':{}}", 0, "not well-formed JSON"),
    BAD("NUL escape in a name", HEAD(FULL, WEIGHT ",'a\\u0000b':{}"), 32, "NUL character"),
    BAD("NUL escape in metadata", HEAD(FULL ",'x':'a\\u0000b'", WEIGHT), 32, "NUL character"),
    BAD("raw control character", "{'a\x01':{}}", 0, "control character"),
    BAD("unknown escape", "{'\\q':{}}", 0, "not well-formed JSON"),
    BAD("list at the top", "[]", 0, "is not a JSON object"),
    BAD("number at the top", "1", 0, "does not begin with"),
    BAD("text at the top", "'a'", 0, "does not begin with"),
    BAD("ends too early", "{'a':", 0, "ends before its JSON does"),
    BAD("bracket does not match", "{'a':[}}", 0, "not well-formed JSON"),
    BAD("comma missing", "{'a':{} 'b':{}}", 0, "not well-formed JSON"),
    BAD("comma at the end", HEAD(FULL, WEIGHT ","), 32, "not well-formed JSON"),
    BAD("key without quotes", "{a:{}}", 0, "not well-formed JSON"),
    BAD("comment", "{/**/}", 0, "byte that is not JSON"),
    BAD("unknown word", "{'a':nil}", 0, "not well-formed JSON"),
    BAD("nested too deeply", SHAPE("[[2,4]]"), 32, "nested too deeply"),

    /* Names that are there twice */
    BAD("tensor twice", HEAD(FULL, WEIGHT "," WEIGHT), 32, "names \"weight\" twice"),
    BAD("tensor twice, once escaped",
        HEAD(FULL, WEIGHT "," TENSOR("weigh\\u0074", "F32", "[0,4]", "32", "32")), 32, "twice"),
    BAD("metadata twice", "{'__metadata__':{" FULL "},'__metadata__':{" FULL "}," WEIGHT "}", 32,
        "names \"__metadata__\" twice"),
    BAD("metadata key twice", HEAD(FULL ",'x':'1','x':'1'", WEIGHT), 32, "names \"x\" twice"),
    BAD("entry key twice", ENTRY("'dtype':'F32','dtype':'F32','shape':[2,4],'data_offsets':[0,32]"),
        32, "names \"dtype\" twice"),

    /* The metadata object */
    BAD("metadata is a list", "{'__metadata__':[]," WEIGHT "}", 32,
        "__metadata__ is not an object"),
    BAD("metadata is null", "{'__metadata__':null," WEIGHT "}", 32,
        "__metadata__ is not an object"),
    BAD("metadata value is a number", HEAD(FULL ",'x':1", WEIGHT), 32, "\"x\" is not a string"),
    BAD("metadata value is null", HEAD(FULL ",'x':null", WEIGHT), 32, "\"x\" is not a string"),
    BAD("metadata value is an object", HEAD(FULL ",'x':{}", WEIGHT), 32, "\"x\" is not a string"),

    /* Tensor entries */
    BAD("entry is a list", HEAD(FULL, "'weight':[]"), 32, "tensor \"weight\" is not described"),
    BAD("entry is null", HEAD(FULL, "'weight':null"), 32, "tensor \"weight\" is not described"),
    BAD("no dtype", ENTRY("'shape':[2,4],'data_offsets':[0,32]"), 32, "\"dtype\" is missing"),
    BAD("no shape", ENTRY("'dtype':'F32','data_offsets':[0,32]"), 32, "\"shape\" is missing"),
    BAD("no offsets", ENTRY("'dtype':'F32','shape':[2,4]"), 32, "\"data_offsets\" is missing"),
    BAD("unknown key", ENTRY("'dtype':'F32','shape':[2,4],'data_offsets':[0,32],'strides':[4,1]"),
        32, "tensor \"weight\": unknown key \"strides\""),
    BAD("dtype is a number", ENTRY("'dtype':32,'shape':[2,4],'data_offsets':[0,32]"), 32,
        "\"dtype\" is not a string"),
    BAD("unknown dtype", DTYPE("F31"), 32, "unknown type \"F31\""),
    BAD("dtype in lower case", DTYPE("f32"), 32, "unknown type \"f32\""),
    BAD("dtype F8_E4M3", DTYPE("F8_E4M3"), 32, "is F8_E4M3, a type that embd does not read"),
    BAD("dtype F8_E8M0", DTYPE("F8_E8M0"), 32, "is F8_E8M0, a type that embd does not read"),
    BAD("dtype F4", DTYPE("F4"), 32, "is F4, a type that embd does not read"),
    BAD("dtype C64", DTYPE("C64"), 32, "is C64, a type that embd does not read"),
    BAD("shape is a text", SHAPE("'2,4'"), 32, "\"shape\" is not a list"),
    BAD("size 2.0", SHAPE("[2.0,4]"), 32, "plain digits: \"2.0\""),
    BAD("size 2e0", SHAPE("[2e0,4]"), 32, "plain digits: \"2e0\""),
    BAD("size -0", SHAPE("[-0,4]"), 32, "\"weight\": "),
    BAD("size -2", SHAPE("[-2,4]"), 32, "plain digits: \"-2\""),
    BAD("size +2", SHAPE("[+2,4]"), 32, "plain digits: \"+2\""),
    BAD("size 02", SHAPE("[02,4]"), 32, "plain digits: \"02\""),
    BAD("size 00", SHAPE("[00,4]"), 32, "plain digits: \"00\""),
    BAD("size 0x2", SHAPE("[0x2,4]"), 32, "not well-formed JSON"),
    BAD("size .5", SHAPE("[.5,4]"), 32, "plain digits: \".5\""),
    BAD("size 2^63", SHAPE("[9223372036854775808,4]"), 32, "above 2^63 - 1"),
    BAD("size 2^64", SHAPE("[18446744073709551616,4]"), 32, "above 2^63 - 1"),
    BAD("size of a hundred digits", SHAPE("[" NAME_64 "]"), 32, "not well-formed JSON"),
    BAD("size is a text", SHAPE("['2',4]"), 32, "something else than integers"),
    BAD("size is true", SHAPE("[true,4]"), 32, "something else than integers"),
    BAD("size is null", SHAPE("[null,4]"), 32, "something else than integers"),
    BAD("size NaN", SHAPE("[NaN,4]"), 32, "byte that is not JSON"),
    BAD("nine dimensions", SHAPE("[2,4,1,1,1,1,1,1,1]"), 32, "has 9 dimensions; at most 8"),
    BAD("product overflows", SHAPE("[4294967296,4294967296,4294967296]"), 32,
        "product of its shape"),
    BAD("product overflows before a zero", SHAPE("[9223372036854775807,9223372036854775807,0]"), 32,
        "product of its shape"),
    BAD("product times size overflows", SHAPE("[4294967296,2147483648]"), 32,
        "times the size of F32"),
    BAD("one offset", HEAD(FULL, "'weight':{'dtype':'F32','shape':[2,4],'data_offsets':[32]}"), 32,
        "not a list of two integers"),
    BAD("three offsets", PLACE("0", "32,64"), 32, "not a list of two integers"),
    BAD("offsets as texts", PLACE("'0'", "'32'"), 32, "not a list of two integers"),
    BAD("offset with a fraction", PLACE("0", "32.0"), 32, "plain digits: \"32.0\""),
    BAD("end before begin", PLACE("32", "0"), 32, "ends at byte 0, before it begins at 32"),
    BAD("range too short", PLACE("0", "28"), 28, "has 28 bytes; its shape of F32 needs 32"),
    BAD("range too long", PLACE("0", "36"), 36, "has 36 bytes; its shape of F32 needs 32"),
    BAD("offset above 2^63", PLACE("9223372036854775808", "9223372036854775840"), 32,
        "above 2^63 - 1"),
    BAD("place near 2^63", PLACE("9223372036854775775", "9223372036854775807"), 32, "no hole"),
    BAD("name of 256 bytes",
        HEAD(FULL, WEIGHT "," TENSOR(NAME_64 NAME_64 NAME_64 NAME_64, "F32", "[0]", "32", "32")),
        32, "more than 255 bytes"),

    /* Layout */
    BAD("hole at the start", PLACE("4", "36"), 36, "begins at byte 4 of the data"),
    BAD("hole between", HEAD(FULL, WEIGHT "," TENSOR("default", "F32", "[4]", "36", "52")), 52,
        "tensor \"default\" begins at byte 36"),
    BAD("overlap", HEAD(FULL, WEIGHT "," TENSOR("default", "F32", "[4]", "28", "44")), 44,
        "tensor \"default\" begins at byte 28 of the data and overlaps \"weight\""),
    BAD("same place", HEAD(FULL, WEIGHT "," TENSOR("other", "F32", "[2,4]", "0", "32")), 32,
        "overlaps"),
    BAD("inside another", HEAD(FULL, WEIGHT "," TENSOR("default", "F32", "[4]", "8", "24")), 32,
        "overlaps"),
    BAD("empty tensor inside another", HEAD(FULL, WEIGHT "," TENSOR("x", "F32", "[0]", "8", "8")),
        32, "overlaps"),
    BAD("trailing byte", GOOD, 33, "has 33 bytes, of which the tensors fill 32"),
    BAD("data one byte short", GOOD, 31, "ends at byte 32 of the data, which has 31"),
    BAD("no data", GOOD, 0, "ends at byte 32 of the data, which has 0"),
    BAD("data without tensors", "{'__metadata__':{" FULL "}}", 4,
        "has 4 bytes, of which the tensors fill 0"),

#undef ENTRY
#undef SHAPE
#undef DTYPE
#undef PLACE
#undef GOOD
#undef NAME_64
#undef BAD
#undef LYING
