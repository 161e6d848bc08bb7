// SPDX-License-Identifier: Apache-2.0
// What a user would write with gRPC's own C++ library instead of embd: Embedding.Lookup of one float32 table, by
// the callback API. It answers plain lookups (no pooling, float32, unknown ids refused) and checks what it is sent.
// Rows are copied once, into the `bytes` of embd_bulk.proto, with their room reserved; no other work is done.
//
//     grpc_server TABLE.safetensors ROWS DIM         prints the port that it listens on
//
// bench/wire.sh builds and starts it.
#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "embd_bulk.grpc.pb.h"

namespace {

// The rows of the file that make_table.py wrote, in memory of our own.
std::vector<float> read_rows(const char *path, size_t rows, size_t dim)
{
    std::vector<float> out(rows * dim);
    uint64_t header;
    size_t want = out.size() * sizeof(float), got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header) {
        std::perror(path);
        std::exit(1);
    }
    header = le64toh(header);
    while (got < want) {
        ssize_t n = pread(fd, reinterpret_cast<char *>(out.data()) + got, want - got,
                          static_cast<off_t>(sizeof header + header + got));

        if (n <= 0) {
            std::cerr << path << ": not " << rows << " x " << dim << " float32\n";
            std::exit(1);
        }
        got += static_cast<size_t>(n);
    }
    close(fd);
    return out;
}

class Embedding final : public embd::v1::Embedding::CallbackService {
public:
    Embedding(std::vector<float> data, size_t rows, size_t dim)
        : data_(std::move(data)), rows_(rows), dim_(dim)
    {
    }

    grpc::ServerUnaryReactor *Lookup(grpc::CallbackServerContext *context, const embd::v1::LookupRequest *request,
                                     embd::v1::LookupResponse *response) override
    {
        grpc::ServerUnaryReactor *reactor = context->DefaultReactor();

        reactor->Finish(answer(*request, response));
        return reactor;
    }

private:
    grpc::Status answer(const embd::v1::LookupRequest &request, embd::v1::LookupResponse *response) const
    {
        const size_t row_bytes = dim_ * sizeof(float);

        if (request.format() != embd::v1::VECTOR_FORMAT_F32)
            return {grpc::StatusCode::UNIMPLEMENTED, "float32 alone"};
        response->mutable_results()->Reserve(request.lookups_size());
        for (const auto &lookup : request.lookups()) {
            const std::string &ids = lookup.ids();
            const size_t n = ids.size() / sizeof(uint64_t);

            if (lookup.table() != "bench")
                return {grpc::StatusCode::NOT_FOUND, "no such table"};
            if (lookup.pooling() != embd::v1::POOLING_NONE || ids.size() % sizeof(uint64_t) != 0)
                return {grpc::StatusCode::INVALID_ARGUMENT, "rows of whole ids alone"};
            embd::v1::TableVectors *result = response->add_results();
            std::string *values = result->mutable_values();
            result->set_dim(static_cast<uint32_t>(dim_));
            result->set_rows(static_cast<uint32_t>(n));
            values->reserve(n * row_bytes);
            for (size_t i = 0; i < n; i++) {
                uint64_t id;

                std::memcpy(&id, ids.data() + i * sizeof id, sizeof id);
                if (id >= rows_)
                    return {grpc::StatusCode::OUT_OF_RANGE, "unknown id"};
                values->append(reinterpret_cast<const char *>(data_.data() + id * dim_), row_bytes);
            }
        }
        return grpc::Status::OK;
    }

    const std::vector<float> data_;
    const size_t rows_, dim_;
};

}  // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: grpc_server TABLE.safetensors ROWS DIM\n";
        return 2;
    }
    const size_t rows = std::strtoull(argv[2], nullptr, 10), dim = std::strtoull(argv[3], nullptr, 10);
    Embedding service(read_rows(argv[1], rows, dim), rows, dim);
    grpc::ServerBuilder builder;
    int port = 0;

    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server || !port) {
        std::cerr << "cannot listen\n";
        return 1;
    }
    std::cout << port << std::endl;
    server->Wait();
}
