// Bytes as a server may send them. However they are cut into pieces, the same response comes out.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "flowrelay/http/response_reader.hpp"

namespace {

using flowrelay::http::ResponseReader;
using flowrelay::http::ResponseStatus;

constexpr flowrelay::http::ResponseLimits limits{512, 64, 256};

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    ResponseStatus status = ResponseStatus::need_more;
    std::size_t used = 0;
    std::string text;
};

/// Reads one response, from a connection that ends after the bytes.
Outcome read(ResponseReader& reader, std::string_view bytes, std::size_t piece) {
    Outcome outcome;
    while (outcome.used < bytes.size() && reader.status() == ResponseStatus::need_more) {
        const std::string next(bytes.substr(outcome.used, piece));  // gone after put()
        const std::size_t used = reader.put(next);
        require(used <= next.size());
        require(reader.status() != ResponseStatus::need_more || used == next.size());
        outcome.used += used;
    }
    reader.put_end();
    outcome.status = reader.status();
    require(outcome.status != ResponseStatus::need_more);
    if (outcome.status == ResponseStatus::complete) {
        require(reader.error().empty());
        require(reader.code() >= 200 && reader.code() <= 599);
        require(reader.body().size() <= limits.body);
        outcome.text = std::to_string(reader.code()) + (reader.keep_alive() ? "+" : "-");
        outcome.text.append(reader.body()).append(1, '\0').append(reader.field("Retry-After"));
    } else {
        require(!reader.error().empty());
        require(!reader.keep_alive());
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte says how the rest is cut.
    const std::size_t piece = 1 + data[0] % 64;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    ResponseReader fresh(limits);
    const Outcome whole = read(fresh, bytes, bytes.size());
    fresh.reset();
    const Outcome pieces = read(fresh, bytes, piece);
    require(whole.status == pieces.status);
    require(whole.text == pieces.text);
    require(whole.status != ResponseStatus::complete || whole.used == pieces.used);
    return 0;
}
