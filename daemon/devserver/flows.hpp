// Flows and their sources, for clients with an access token: one organization with flows of each
// kind, and one user.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "flowrelay/base/random.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "oauth.hpp"
#include "options.hpp"

namespace flowrelay::devserver {

class Flows {
public:
    /// `oauth` outlives this.
    Flows(const Options& options, const OAuth& oauth);

    /// Returns whether answer() serves the path: /user, /flows and below. answer() serves GET
    /// /sources as well.
    static bool is_path(std::string_view path) noexcept {
        return path == "/user" || path == "/flows" || path.starts_with("/flows/");
    }

    http::Response answer(const http::RequestReader& reader);

    /// Returns whether the token belongs to a removed source and must be answered with 410.
    bool is_removed(std::string_view flow_token) const {
        return !removed_.empty() && removed_.contains(flow_token);
    }

private:
    struct Source {
        std::string flow;
        std::string name;
        std::string external_url;
        std::string flow_token;
    };
    struct Call;

    http::Response of_path(const Call& call);
    http::Response find_source(const http::Request& request) const;
    http::Response list_flows(const Call& call) const;
    http::Response of_sources(const Call& call, const std::string& flow);
    http::Response add(const Call& call, const std::string& flow);
    http::Response remove(std::uint64_t id);
    boost::json::object show(std::uint64_t id, const Source& source) const;

    std::string scheme_;
    const OAuth& oauth_;
    Random random_;
    std::map<std::uint64_t, Source> sources_;
    std::set<std::string, std::less<>> removed_;
    std::uint64_t last_id_ = 35;
};

}  // namespace flowrelay::devserver
