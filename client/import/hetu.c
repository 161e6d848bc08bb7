/* SPDX-License-Identifier: Apache-2.0 */
/* The variables of Hetu's EmbeddingMemoryCompression, the code of the paper's authors. */
#include "client/import/recipe.h"

#define PIECES(list) .piece = list, .pieces = sizeof list / sizeof *list

static const struct piece compo[] = {
    {"q.weight", "CompoEmb", "_q", AS_IS, 0},
    {"r.weight", "CompoEmb", "_r", AS_IS, 0},
};

static const struct piece hash[] = {
    {"table", "HashEmb", "", AS_IS, 0},
};

static const struct piece tt[] = {
    {"core.0", "TTEmb", "_0", AS_IS, 0},
    {"core.1", "TTEmb", "_1", AS_IS, 0},
    {"core.2", "TTEmb", "_2", AS_IS, 0},
};

/* TTDecomposer's cores a, b and c: [n, d, r], [n, r, d, r], [n, r, d]. */
static const struct piece tt_slices[] = {
    {"core.0", "a", "", MATRIX, 0},
    {"core.1", "b", "", MATRIX, 0},
    {"core.2", "c", "", MATRIX, 0},
};

/* Running statistics are no variables there: whoever recalibrates gives them these names. */
#define DHE_LINEAR(l)                                                                              \
    {"mlp." #l ".weight", "linear" #l, "_weight", LINEAR, 0},                                      \
    {                                                                                              \
        "mlp." #l ".bias", "linear" #l, "_bias", FLAT, 0                                           \
    }
#define DHE_NORM(l)                                                                                \
    {"bn." #l ".weight", "bn" #l, "_weight", FLAT, 0},                                             \
        {"bn." #l ".bias", "bn" #l, "_bias", FLAT, 0},                                             \
        {"bn." #l ".running_mean", "bn" #l, "_running_mean", FLAT, 0},                             \
    {                                                                                              \
        "bn." #l ".running_var", "bn" #l, "_running_var", FLAT, 0                                  \
    }
static const struct piece dhe[] = {
    {"hash.a", "slopes", "", FLAT, 0},
    {"hash.b", "biases", "", FLAT, 0},
    {"hash.p", "primes", "", FLAT, 0},
    DHE_LINEAR(1),
    DHE_LINEAR(2),
    DHE_LINEAR(3),
    DHE_LINEAR(4),
    DHE_LINEAR(5),
    DHE_LINEAR(6),
    DHE_NORM(1),
    DHE_NORM(2),
    DHE_NORM(3),
    DHE_NORM(4),
    DHE_NORM(5),
};

static const struct piece robe[] = {
    {"array", "RobeEmb", "", FLAT, 0},
    {"rand", "random_numbers", "", FLAT, 0},
};

static const struct piece dedup[] = {
    {"blocks", "DedupEmb", "", BLOCKS, 0},
    {"map", "DedupEmb", "_remap", FLAT, 0},
};

static const struct piece dedup_blocks[] = {
    {"blocks", "Deduplicator", "", BLOCKS, 0},
    {"map", "Deduplicator", "_map", FLAT, 0},
};

static const struct piece mgqe[] = {
    {"codebook", "MGQEmb", "_key", AS_IS, 0},
    {"codes", "MGQEmb", "_codebook", AS_IS, 0},
    {"query", "MGQEmb", "_query", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
    {"frequency", "MGQEmb", "_frequency", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
};

static const struct piece dpq[] = {
    {"codebook", "DPQEmb", "_key", AS_IS, 0},
    {"codes", "DPQEmb", "_codebook", AS_IS, 0},
    {"query", "DPQEmb", "_query", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
};

static const struct piece dpq_sx[] = {
    {"codebook", "DPQEmb", "_value", AS_IS, 0},
    {"codes", "DPQEmb", "_codebook", AS_IS, 0},
    {"key", "DPQEmb", "_key", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
    {"query", "DPQEmb", "_query", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
};

static const struct piece adapt[] = {
    {"freq", "AdaptEmb", "_freq", AS_IS, 0},
    {"rare", "AdaptEmb", "_rare", AS_IS, 0},
    {"remap", "AdaptEmb", "_remap", FLAT, 0},
};

static const struct piece integers[] = {
    {"q", "QuanEmb", "", AS_IS, 0},
    {"qparams", "qparams", "", AS_IS, PIECE_OPTIONAL},
};

static const struct piece alpt[] = {
    {"q", "ALPTEmb", "", AS_IS, 0},
    {"scale", "ALPTEmb", "_scale", FLAT, 0},
};

static const struct piece mde[] = {
    {"emb", "MDEmb", "", AS_IS, 0},
    {"proj", "MDEmb", "_proj", AS_IS, PIECE_OPTIONAL},
};

static const struct piece autodim[] = {
    {"emb", "AutoDimNew", "", AS_IS, 0},
    {"proj", "AutoDimNew", "_weight", AS_IS, 0},
    {"bias", "AutoDimNew", "_bias", FLAT, 0},
};

static const struct piece optembed[] = {
    {"emb", "OptEmbedAfterRowPruning", "", AS_IS, 0},
    {"remap", "OptEmbedAfterRowPruning", "_remap", FLAT, 0},
    {"candidate", "OptEmbedAfterRowPruning", "_candidate", FLAT, 0},
    {"pmask", "OptEmbedAfterRowPruning", "_pmask", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
};

/* SciPy's matrices, by the names of their own arrays. */
#define CSR(name)                                                                                  \
    {                                                                                              \
        {"csr.indptr", name "_sparse", "_indptr", FLAT, 0},                                        \
            {"csr.indices", name "_sparse", "_indices", FLAT, 0},                                  \
            {"csr.data", name "_sparse", "_data", FLAT, 0},                                        \
    }
#define COO(name)                                                                                  \
    {                                                                                              \
        {"coo.row", name "_sparse", "_row", FLAT, 0},                                              \
            {"coo.col", name "_sparse", "_col", FLAT, 0},                                          \
            {"coo.data", name "_sparse", "_data", FLAT, 0},                                        \
    }
static const struct piece deeplight_csr[] = CSR("DeepLightEmb");
static const struct piece deeplight_coo[] = COO("DeepLightEmb");
static const struct piece autosrh_csr[] = CSR("AutoSrhEmb");
static const struct piece autosrh_coo[] = COO("AutoSrhEmb");
static const struct piece pep_csr[] = CSR("PEPRetrainEmb");
static const struct piece pep_coo[] = COO("PEPRetrainEmb");

static const struct piece deeplight_dense[] = {
    {"weight", "DeepLightEmb", "", AS_IS, PIECE_ASIDE},
};
static const struct piece autosrh_dense[] = {
    {"weight", "AutoSrhEmb", "", AS_IS, PIECE_ASIDE},
    {"group", "AutoSrhEmb", "_groupind", FLAT, PIECE_ASIDE},
    {"alpha", "AutoSrhEmb", "_alpha", AS_IS, PIECE_ASIDE},
};
static const struct piece pep_dense[] = {
    {"weight", "PEPRetrainEmb", "", AS_IS, PIECE_ASIDE},
    {"mask", "PEPRetrainEmb", "_mask", AS_IS, PIECE_ASIDE | PIECE_OPTIONAL},
};

static const struct piece full[] = {
    {"weight", "Embedding", "", AS_IS, 0},
};

#define HETU(name, of, list) .source = "hetu", .title = name, .method = of, PIECES(list)
#define PRUNED(name, of, stem)                                                                     \
    {HETU(name, of, stem##_csr), .set = "form=csr", .measure = measure_csr, .derive = derive_csr}, \
        {HETU(name, of, stem##_coo), .set = "form=coo", .derive = derive_coo},                     \
    {                                                                                              \
        HETU(name, of, stem##_dense), .set = "form=csr", .rows_of = "weight", .dim_of = "weight",  \
                                      .derive = derive_dense                                       \
    }

const struct recipe hetu_recipes[] = {
    {HETU("CompoEmb", "compo", compo), .set = "op=mult quotient=int", .measure = measure_compo,
     .derive = derive_compo},
    {HETU("HashEmb", "hash", hash), .dim_of = "table"},
    {HETU("TTEmb", "tt", tt), .set = "digit_order=little", .measure = measure_tt,
     .derive = derive_tt},
    {HETU("TTDecomposer", "tt", tt_slices), .set = "digit_order=big", .derive = derive_tt_slices},
    {HETU("DHEmb", "dhe", dhe), .dim_of = "mlp.6.bias", .derive = derive_dhe},
    {HETU("RobeEmb", "robe", robe), .set = "variant=hetu"},
    {HETU("DedupEmb", "dedup", dedup), .dim_of = "blocks", .derive = derive_dedup},
    {HETU("Deduplicator", "dedup", dedup_blocks)},
    {HETU("MGQEmb", "mgqe", mgqe), .rows_of = "codes", .measure = measure_codes,
     .derive = derive_mgqe},
    {HETU("DPQEmb", "dpq", dpq), .set = "mode=vq", .rows_of = "codes", .measure = measure_codes,
     .derive = derive_dpq},
    {HETU("DPQEmb", "dpq", dpq_sx), .set = "mode=sx", .rows_of = "codes", .measure = measure_codes,
     .derive = derive_dpq},
    {HETU("AdaptEmb", "adapt", adapt), .set = "remap=dense", .rows_of = "remap", .dim_of = "rare"},
    {HETU("QuanEmb", "int8 int16", integers), .rows_of = "q", .dim_of = "q",
     .derive = derive_integers},
    {HETU("ALPTEmb", "alpt", alpt), .rows_of = "q", .dim_of = "q", .derive = derive_alpt},
    {HETU("MDEmb", "mde", mde), .rows_of = "emb", .measure = measure_mde},
    {HETU("AutoDimNew", "autodim", autodim), .rows_of = "emb", .dim_of = "bias"},
    {HETU("OptEmbedAfterRowPruning", "optembed", optembed), .set = "form=remap", .rows_of = "remap",
     .dim_of = "emb"},
    PRUNED("DeepLightEmb", "deeplight", deeplight),
    PRUNED("AutoSrhEmb", "autosrh", autosrh),
    PRUNED("PEPRetrainEmb", "pep", pep),
    {HETU("Embedding", "full", full), .rows_of = "weight", .dim_of = "weight"},
    {0},
};
