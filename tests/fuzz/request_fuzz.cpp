// Bytes as a client may send them. However they are cut into pieces, the same requests come out.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/http/request_reader.hpp"

namespace {

using flowrelay::http::ReadStatus;
using flowrelay::http::Request;
using flowrelay::http::RequestReader;

constexpr flowrelay::http::RequestLimits limits{512, 1024};

void require(bool holds) {
    if (!holds) std::abort();
}

void check(const RequestReader& reader) {
    const Request& request = reader.request();
    require(request.body.size() <= limits.body);
    require(!request.method.empty() && !request.path.empty());
    std::size_t head = request.method.size() + request.path.size() + request.query.size();
    for (const auto& field : reader.fields()) {
        require(!field.name.empty());
        for (const char forbidden : {'\r', '\n', '\0'}) {
            require(field.name.find(forbidden) == std::string_view::npos);
            require(field.value.find(forbidden) == std::string_view::npos);
        }
        head += field.name.size() + field.value.size();
    }
    require(head <= limits.head);
}

std::string describe(const RequestReader& reader) {
    const Request& request = reader.request();
    std::string text;
    for (const std::string_view part :
         {request.method, request.path, request.query, request.content_type, request.body}) {
        text.append(part).append(1, '\0');
    }
    for (const auto& field : reader.fields()) text.append(field.name).append(field.value);
    text += request.keep_alive ? '1' : '0';
    return text;
}

/// The requests that were read, each as one text.
std::vector<std::string> read(std::string_view bytes, std::size_t piece) {
    std::vector<std::string> requests;
    RequestReader reader(limits);
    std::size_t at = 0;
    while (at < bytes.size()) {
        const std::string next(bytes.substr(at, piece));  // gone after put()
        const std::size_t used = reader.put(next);
        require(used <= next.size());
        require(reader.status() != ReadStatus::need_more || used == next.size());
        reader.take_expects_continue();
        at += used;
        if (reader.status() == ReadStatus::need_more) continue;
        if (reader.status() != ReadStatus::complete) break;
        check(reader);
        requests.push_back(describe(reader));
        reader.reset();
    }
    return requests;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte says how the rest is cut.
    const std::size_t piece = 1 + data[0] % 64;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    // When a mistake is noticed may depend on the pieces, what is a request may not.
    require(read(bytes, bytes.size()) == read(bytes, piece));
    const std::string_view query = bytes.substr(0, 64);
    require(flowrelay::http::query_parameter(query, "a").size() <= query.size());
    return 0;
}
