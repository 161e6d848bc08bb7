/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose container is sound and whose metadata are not: required keys, numbers, fields, ids,
   embd.config, per_field, embd.optimizer. See table_test.c. Included as the body of an array. */

#define BAD(what, text, bytes, say)                                                                \
    {                                                                                              \
        .name = what, .file = {.header = text, .zeros = bytes}, .words = say                       \
    }
#define KEY(key, value) ",'" key "':'" value "'"
#define MORE(what, more, say) BAD(what, HEAD(FULL more, WEIGHT), 32, say)
#define ONLY(what, metadata, say) BAD(what, HEAD(metadata, WEIGHT), 32, say)
#define INT8(what, config, say)                                                                    \
    BAD(what, HEAD(META("int8", "2", "4") CONFIG(config), TENSOR("q", "U8", "[2,4]", "0", "8")),   \
        8, say)
#define COMPO(what, config, say)                                                                   \
    BAD(what,                                                                                      \
        HEAD(META("compo", "4", "2") CONFIG(config),                                               \
             TENSOR("q.weight", "F32", "[2,2]", "0", "16") "," TENSOR("r.weight", "F32", "[2,2]",  \
                                                                      "16", "32")),                \
        32, say)
/* Two fields of 2 and 1 rows. */
#define FIELDS(what, fields, config, say)                                                          \
    BAD(what,                                                                                      \
        HEAD(META("hash", "3", "2") fields CONFIG(config),                                         \
             TENSOR("f0.table", "F32", "[1,2]", "0", "8") "," TENSOR("f1.weight", "F32", "[1,2]",  \
                                                                     "8", "16")),                  \
        16, say)
#define TWO KEY("embd.fields", "[2,1]")

/* Required keys and their values */
BAD("no metadata", "{" WEIGHT "}", 32, "\"embd.version\" is missing"),
    BAD("empty metadata", HEAD("", WEIGHT), 32, "\"embd.version\" is missing"),
    ONLY("no version", "'embd.method':'full','embd.rows':'2','embd.dim':'4'",
         "\"embd.version\" is missing"),
    ONLY("no method", "'embd.version':'1','embd.rows':'2','embd.dim':'4'",
         "\"embd.method\" is missing"),
    ONLY("no rows", "'embd.version':'1','embd.method':'full','embd.dim':'4'",
         "\"embd.rows\" is missing"),
    ONLY("no dim", "'embd.version':'1','embd.method':'full','embd.rows':'2'",
         "\"embd.dim\" is missing"),
    ONLY("version 2", "'embd.version':'2'", "embd.version is \"2\"; this embd reads \"1\""),
    ONLY("version 1.0", "'embd.version':'1.0'", "embd.version is \"1.0\""),
    ONLY("version 01", "'embd.version':'01'", "embd.version is \"01\""),
    ONLY("version empty", "'embd.version':''", "embd.version is \"\""),
    ONLY("unknown method", META("fulll", "2", "4"), "embd.method is \"fulll\""),
    ONLY("method in capitals", META("FULL", "2", "4"), "embd.method is \"FULL\""),
    ONLY("method empty", META("", "2", "4"), "embd.method is \"\""),
    ONLY("rows -1", META("full", "-1", "4"), "embd.rows is \"-1\""),
    ONLY("rows 02", META("full", "02", "4"), "embd.rows is \"02\""),
    ONLY("rows 2.0", META("full", "2.0", "4"), "embd.rows is \"2.0\""),
    ONLY("rows 2e0", META("full", "2e0", "4"), "embd.rows is \"2e0\""),
    ONLY("rows with a space", META("full", " 2", "4"), "embd.rows is \" 2\""),
    ONLY("rows +2", META("full", "+2", "4"), "embd.rows is \"+2\""),
    ONLY("rows empty", META("full", "", "4"), "embd.rows is \"\""),
    ONLY("rows 2^63", META("full", "9223372036854775808", "4"),
         "embd.rows is \"9223372036854775808\""),
    ONLY("rows 2^64 + 2", META("full", "18446744073709551618", "4"), "embd.rows is"),
    ONLY("dim 0", META("full", "2", "0"), "embd.dim is 0; it must be from 1 to 65536"),
    ONLY("dim 65537", META("full", "2", "65537"), "embd.dim is 65537"),
    ONLY("dim 2^32 + 4", META("full", "2", "4294967300"), "embd.dim is 4294967300"),
    ONLY("dim 04", META("full", "2", "04"), "embd.dim is \"04\""),
    MORE("unknown embd key", KEY("embd.confg", "{}"), "unknown key \"embd.confg\""),
    MORE("bare embd.", KEY("embd.", ""), "unknown key \"embd.\""),

    /* Fields */
    MORE("fields are no JSON", KEY("embd.fields", "2"), "embd.fields: does not begin with"),
    MORE("fields empty text", KEY("embd.fields", ""), "embd.fields: is empty"),
    MORE("fields are an object", KEY("embd.fields", "{}"), "embd.fields is not a JSON list"),
    MORE("fields below N", KEY("embd.fields", "[1]"), "sum below embd.rows, which is 2"),
    MORE("fields above N", KEY("embd.fields", "[1,1,1]"), "sum above embd.rows, which is 2"),
    MORE("no fields of two rows", KEY("embd.fields", "[]"), "sum below embd.rows"),
    MORE("field negative", KEY("embd.fields", "[3,-1]"), "sum above embd.rows"),
    MORE("field negative first", KEY("embd.fields", "[-1,3]"),
         "embd.fields[0] is not a number of rows"),
    MORE("field with a fraction", KEY("embd.fields", "[1,1.0]"),
         "embd.fields[1] is not a number of rows"),
    MORE("field is null", KEY("embd.fields", "[2,null]"), "embd.fields[1] is not a number of rows"),
    MORE("field is a list", KEY("embd.fields", "[[2]]"), "embd.fields[0] is not a number of rows"),
    MORE("fields wrap around", KEY("embd.fields", "[2,9223372036854775807,9223372036854775807,2]"),
         "sum above embd.rows"),
    MORE("newline after fields", KEY("embd.fields", "[2]\\n"),
         "embd.fields: has \"\\n\" after the JSON"),

    /* Ids, positions, checksum */
    MORE("unknown ids", KEY("embd.ids", "row"),
         "embd.ids is \"row\"; it must be rows, keys or hash"),
    MORE("keys without the tensor", KEY("embd.ids", "keys"),
         "tensor \"keys\" is missing (embd.ids is keys)"),
    BAD("keys with ids rows",
        HEAD(FULL KEY("embd.ids", "rows"), WEIGHT "," TENSOR("keys", "I64", "[2]", "32", "48")), 48,
        "embd.ids is rows, but the file has the tensor \"keys\""),
    BAD("keys with ids hash",
        HEAD(FULL KEY("embd.ids", "hash"), WEIGHT "," TENSOR("keys", "I64", "[2]", "32", "48")), 48,
        "embd.ids is hash, but the file has the tensor \"keys\""),
    MORE("applied negative", KEY("embd.applied", "-1"), "embd.applied is \"-1\""),
    MORE("applied is a word", KEY("embd.applied", "all"), "embd.applied is \"all\""),
    MORE("lsn 01", KEY("embd.lsn", "01"), "embd.lsn is \"01\""),
    MORE("generation 2^63", KEY("embd.generation", "9223372036854775808"), "embd.generation is"),
    MORE("checksum short", KEY("embd.checksum", "123456789abcdef"), "it must be 16 digits 0-9a-f"),
    MORE("checksum in capitals", KEY("embd.checksum", "123456789ABCDEF0"), "it must be 16 digits"),
    MORE("checksum with 0x", KEY("embd.checksum", "0x12345678abcdef"), "it must be 16 digits"),

    /* embd.config */
    MORE("config empty", KEY("embd.config", ""), "embd.config: is empty"),
    MORE("config is a list", CONFIG("[]"), "embd.config: is not a JSON object"),
    MORE("config is a word", CONFIG("null"), "embd.config: does not begin with"),
    MORE("config cut", CONFIG("{`note`:"), "embd.config: ends before its JSON does"),
    MORE("config with two objects", CONFIG("{}{}"), "embd.config: has \"{\" after the JSON"),
    MORE("newline after config", CONFIG("{}\\n"), "embd.config: has \"\\n\" after the JSON"),
    MORE("unknown key", CONFIG("{`colisions`:2}"), "embd.config: unknown key \"colisions\""),
    MORE("key of another method", CONFIG("{`digit`:8}"), "embd.config: unknown key \"digit\""),
    MORE("config nested too deeply", CONFIG("{`note`:[[[[]]]]}"),
         "embd.config: \"note\": is nested too deeply"),
    MORE("note twice", CONFIG("{`note`:1,`note`:2}"), "embd.config: names \"note\" twice"),
    MORE("key twice within a note", CONFIG("{`note`:{`a`:1,`a`:2}}"),
         "embd.config: names \"a\" twice"),
    MORE("-0 in a note", CONFIG("{`note`:-0}"),
         "embd.config: \"note\": this is not a 64-bit integer: \"-0\""),
    MORE("2^63 in a note", CONFIG("{`note`:9223372036854775808}"), "this is not a 64-bit integer"),
    MORE("1e999 in a note", CONFIG("{`note`:1e999}"), "this is not a finite number: \"1e999\""),
    MORE("NaN in a note", CONFIG("{`note`:NaN}"), "byte that is not JSON"),
    MORE("seed negative", CONFIG("{`seed`:-1}"), "embd.config: seed must be an integer"),
    MORE("seed with a fraction", CONFIG("{`seed`:1.0}"), "embd.config: seed must be an integer"),
    MORE("seed 2^64", CONFIG("{`seed`:`18446744073709551616`}"),
         "embd.config: seed must be an integer"),
    MORE("seed 007", CONFIG("{`seed`:`007`}"), "embd.config: seed must be an integer"),
    MORE("seed twice", CONFIG("{`seed`:1,`seed`:1}"), "embd.config: names \"seed\" twice"),
    INT8("required keys missing", "{}", "embd.config: "),
    INT8("signed missing", "{`qparam`:`table`,`scale`:1}", "signed"),
    INT8("qparam missing", "{`signed`:false,`scale`:1}", "qparam"),
    INT8("scale missing", "{`signed`:false,`qparam`:`table`}", "scale"),
    INT8("digit 16 in int8", "{`digit`:16,`signed`:false,`qparam`:`table`,`scale`:1}",
         "digit must be 8"),
    INT8("digit 8.0", "{`digit`:8.0,`signed`:false,`qparam`:`table`,`scale`:1}",
         "digit must be an integer"),
    INT8("digit 8e0", "{`digit`:8e0,`signed`:false,`qparam`:`table`,`scale`:1}",
         "digit must be an integer"),
    INT8("digit true", "{`digit`:true,`signed`:false,`qparam`:`table`,`scale`:1}",
         "digit must be an integer"),
    INT8("digit as a text with a sign", "{`digit`:`+8`,`signed`:false,`qparam`:`table`,`scale`:1}",
         "digit must be an integer"),
    INT8("digit list", "{`digit`:[8],`signed`:false,`qparam`:`table`,`scale`:1}",
         "digit must be an integer"),
    INT8("signed 0", "{`signed`:0,`qparam`:`table`,`scale`:1}", "signed must be true or false"),
    INT8("signed as a text", "{`signed`:`false`,`qparam`:`table`,`scale`:1}",
         "signed must be true or false"),
    INT8("signed null", "{`signed`:null,`qparam`:`table`,`scale`:1}",
         "signed must be true or false"),
    INT8("unknown choice", "{`signed`:false,`qparam`:`rows`,`scale`:1}",
         "qparam is \"rows\"; it must be one of: table row"),
    INT8("two choices at once", "{`signed`:false,`qparam`:`table row`,`scale`:1}",
         "qparam is \"table row\""),
    INT8("choice empty", "{`signed`:false,`qparam`:``,`scale`:1}", "qparam is \"\""),
    INT8("choice by number", "{`signed`:false,`qparam`:0,`scale`:1}", "qparam is \"0\""),
    INT8("choice null", "{`signed`:false,`qparam`:null,`scale`:1}", "qparam must be one of"),
    INT8("scale 0", "{`signed`:false,`qparam`:`table`,`scale`:0}", "scale must be above 0"),
    INT8("scale negative", "{`signed`:false,`qparam`:`table`,`scale`:-1}", "scale must be above 0"),
    INT8("scale below float32", "{`signed`:false,`qparam`:`table`,`scale`:1e-60}",
         "scale must be above 0"),
    INT8("scale above float32", "{`signed`:false,`qparam`:`table`,`scale`:1e60}",
         "finite as float32"),
    INT8("scale as a text", "{`signed`:false,`qparam`:`table`,`scale`:`1`}",
         "scale must be a number"),
    INT8("scale with qparam row", "{`signed`:false,`qparam`:`row`,`scale`:1}", "scale"),
    INT8("middle above float32", "{`signed`:false,`qparam`:`table`,`scale`:1,`middle`:1e60}",
         "outside float32"),
    COMPO("collisions 0", "{`collisions`:0,`op`:`mult`}", "collisions must be at least 1"),
    COMPO("collisions negative", "{`collisions`:-2,`op`:`mult`}", "collisions must be at least 1"),
    COMPO("collisions 2.5", "{`collisions`:2.5,`op`:`mult`}", "collisions must be an integer"),
    COMPO("collisions as 2.0 in a text", "{`collisions`:`2.0`,`op`:`mult`}",
          "collisions must be an integer"),
    COMPO("op missing", "{`collisions`:2}", "op"),
    COMPO("unknown op", "{`collisions`:2,`op`:`sub`}", "op is \"sub\""),
    COMPO("per_field in a table without fields", "{`per_field`:[{`collisions`:2,`op`:`mult`}]}",
          "per_field needs embd.fields"),

    /* per_field */
    BAD("per_field in a method without it",
        HEAD(META("full", "2", "4") KEY("embd.fields", "[2]") CONFIG("{`per_field`:[{}]}"), WEIGHT),
        32, "the method full has no per_field"),
    FIELDS("per_field too short", TWO, "{`per_field`:[{}]}", "one entry a field, which are 2"),
    FIELDS("per_field too long", TWO, "{`per_field`:[{},{},{}]}", "one entry a field, which are 2"),
    FIELDS("per_field is an object", TWO, "{`per_field`:{}}", "per_field must be a list"),
    FIELDS("per_field null", TWO, "{`per_field`:null}", "per_field must be a list"),
    FIELDS("entry is a text", TWO, "{`per_field`:[`full`,{}]}", "per_field[0]: must be an object"),
    FIELDS("another method", TWO, "{`per_field`:[{},{`method`:`hash`}]}",
           "per_field[1]: method may only be \"full\""),
    FIELDS("method is a number", TWO, "{`per_field`:[{},{`method`:1}]}",
           "per_field[1]: method may only be"),
    FIELDS("full with a key", TWO, "{`per_field`:[{},{`method`:`full`,`collisions`:2}]}",
           "per_field[1]: a full field has no key \"collisions\""),
    FIELDS("unknown key in an entry", TWO, "{`per_field`:[{`H`:1},{`method`:`full`}]}",
           "per_field[0]: unknown key \"H\""),
    FIELDS("seed in an entry", TWO, "{`per_field`:[{`seed`:1},{`method`:`full`}]}",
           "per_field[0]: unknown key \"seed\""),
    FIELDS("key twice in an entry", TWO, "{`per_field`:[{`note`:1,`note`:1},{`method`:`full`}]}",
           "names \"note\" twice"),
    FIELDS("per_field twice", TWO, "{`per_field`:[],`per_field`:[{},{}]}",
           "names \"per_field\" twice"),
    FIELDS("key beside per_field", TWO, "{`per_field`:[{},{`method`:`full`}],`form`:`csr`}",
           "\"form\" may not stand beside per_field"),
    FIELDS("per_field within per_field", TWO, "{`per_field`:[{`per_field`:[]},{}]}",
           "per_field[0]: unknown key \"per_field\""),

    /* embd.optimizer */
    MORE("optimizer empty", KEY("embd.optimizer", ""), "embd.optimizer: is empty"),
    MORE("optimizer is a list", KEY("embd.optimizer", "[]"),
         "embd.optimizer: is not a JSON object"),
    MORE("optimizer without a name", KEY("embd.optimizer", "{}"),
         "embd.optimizer: name is missing"),
    MORE("unknown optimizer", KEY("embd.optimizer", "{`name`:`lion`}"),
         "name must be sgd, adagrad"),
    MORE("optimizer name twice", KEY("embd.optimizer", "{`name`:`sgd`,`name`:`adam`}"),
         "names \"name\" twice"),
    MORE("unknown optimizer key", KEY("embd.optimizer", "{`name`:`sgd`,`lr`:1}"),
         "unknown key \"lr\""),
    MORE("learning rate negative", KEY("embd.optimizer", "{`name`:`sgd`,`learning_rate`:-1}"),
         "learning_rate must be a number from 0"),
    MORE("learning rate as a text", KEY("embd.optimizer", "{`name`:`sgd`,`learning_rate`:`1`}"),
         "learning_rate must be a number"),
    MORE("beta of 1", KEY("embd.optimizer", "{`name`:`adam`,`beta1`:1}"),
         "beta1 must be a number from 0 to below 1"),
    MORE("unknown decay", KEY("embd.optimizer", "{`name`:`adam`,`weight_decay_mode`:`l1`}"),
         "must be l2 or decoupled"),
    MORE("step with a fraction", KEY("embd.optimizer", "{`name`:`adam`,`step`:1.5}"),
         "step must be an integer"),
    MORE("exception for no tensor",
         KEY("embd.optimizer", "{`name`:`sgd`,`tensors`:{`w`:{`learning_rate`:1}}}"),
         "there is no tensor \"w\""),
    MORE("exception of another kind",
         KEY("embd.optimizer", "{`name`:`sgd`,`tensors`:{`weight`:{`beta1`:0}}}"),
         "\"weight\" must have a learning_rate"),
    MORE("exceptions in a list", KEY("embd.optimizer", "{`name`:`sgd`,`tensors`:[]}"),
         "tensors must be an object"),

#undef BAD
#undef KEY
#undef MORE
#undef ONLY
#undef INT8
#undef COMPO
#undef FIELDS
#undef TWO
