// Flows and their sources, as far as setting one up goes. Every flow exists, and everybody who
// comes with a bearer token may add sources to it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "flowrelay/base/random.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"

namespace flowrelay::devserver {

class Flows {
public:
    Flows() : random_(Random::from_system()) {}

    /// GET /flows/find?id=…, POST /flows/:org/:flow/sources, DELETE …/sources/:id
    static bool is_flow_path(std::string_view path) noexcept { return path.starts_with("/flows/"); }

    /// `authorization`: the field of that name.
    http::Response answer(const http::Request& request, std::string_view authorization);

    /// Whether a token is that of a source which was removed: it gets 410.
    bool is_removed(std::string_view flow_token) const {
        return !removed_.empty() && removed_.contains(flow_token);
    }

private:
    http::Response find(const http::Request& request) const;
    http::Response add(const http::Request& request);
    http::Response remove(std::string_view id);

    Random random_;
    std::map<std::uint64_t, std::string> tokens_;  ///< of each source
    std::set<std::string, std::less<>> removed_;
    std::uint64_t last_id_ = 35;
};

}  // namespace flowrelay::devserver
