/* SPDX-License-Identifier: Apache-2.0 */
/* The names and layouts of DLRM (its quotient-remainder and mixed-dimension modules), of
   FBTT-Embedding and of robez; and plain rows, which raw.c calls "values". */
#include "client/import/recipe.h"

#define PIECES(list) .piece = list, .pieces = sizeof list / sizeof *list

static const struct piece quotient_remainder[] = {
    {"q.weight", "emb_l", ".weight_q", AS_IS, 0},
    {"r.weight", "emb_l", ".weight_r", AS_IS, 0},
};

/* A torch.nn.Linear keeps its weights [out,in]. */
static const struct piece mixed[] = {
    {"emb", "emb_l", ".embs.weight", AS_IS, 0},
    {"proj", "emb_l", ".proj.weight", TURNED, PIECE_OPTIONAL},
};

static const struct piece plain[] = {
    {"weight", "emb_l", ".weight", AS_IS, 0},
};

static const struct piece cores[] = {
    {"core.0", "tt_cores", ".0", TABLE, 0},
    {"core.1", "tt_cores", ".1", TABLE, 0},
    {"core.2", "tt_cores", ".2", TABLE, 0},
    {"cache.ids", "cache", ".ids", FLAT, PIECE_OPTIONAL},
    {"cache.weight", "cache", ".weight", AS_IS, PIECE_OPTIONAL},
};

static const struct piece hashed[] = {
    {"array", "hashed_weight", "", FLAT, 0},
    {"rand", "random_numbers", "", FLAT, 0},
};

static const struct piece values[] = {
    {"weight", "values", "", AS_IS, 0},
};

const struct recipe other_recipes[] = {
    /* Its quotient is a division of floats, and its bags pool each factor by itself. */
    {.source = "dlrm",
     .title = "quotient-remainder",
     .method = "compo",
     PIECES(quotient_remainder),
     .set = "op=mult quotient=f32div pool=pool_first",
     .measure = measure_compo,
     .derive = derive_compo},
    {.source = "dlrm",
     .title = "mixed dimensions",
     .method = "mde",
     PIECES(mixed),
     .rows_of = "emb",
     .measure = measure_mde},
    {.source = "dlrm",
     .title = "EmbeddingBag",
     .method = "full",
     PIECES(plain),
     .rows_of = "weight",
     .dim_of = "weight"},
    {.source = "fbtt",
     .title = "TTEmbeddingBag",
     .method = "tt",
     PIECES(cores),
     .set = "digit_order=big",
     .measure = measure_tt,
     .derive = derive_tt},
    {.source = "robez", .title = "robez", .method = "robe", PIECES(hashed), .set = "variant=uma"},
    {.source = "npy",
     .title = "rows",
     .method = "full",
     PIECES(values),
     .rows_of = "weight",
     .dim_of = "weight"},
    {.source = "hugectr",
     .title = "rows",
     .method = "full",
     PIECES(values),
     .rows_of = "weight",
     .dim_of = "weight"},
    {0},
};
