#include "pages/visit.hpp"

#include <algorithm>
#include <utility>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/http/request_reader.hpp"

namespace flowrelay::pages {

namespace {

constexpr std::size_t longest_parameter = 512;

Error bad_link(std::string message) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(message)};
}

/// Returns whether a text can be the id of a flow or a source, or ORG/FLOW.
bool is_reference(std::string_view text) {
    return text.size() <= longest_parameter &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7F; });
}

/// Returns the parts after "/flows/" of a URL below the API's: "example", "main", and the rest.
std::vector<std::string> parts_below_flows(std::string_view url, std::string_view base_url) {
    while (base_url.ends_with('/')) base_url.remove_suffix(1);
    if (!url.starts_with(base_url)) return {};
    url.remove_prefix(base_url.size());
    constexpr std::string_view flows = "/flows/";
    if (!url.starts_with(flows)) return {};
    url.remove_prefix(flows.size());
    url = url.substr(0, url.find_first_of("?#"));
    std::vector<std::string> parts;
    while (!url.empty()) {
        const std::size_t end = std::min(url.find('/'), url.size());
        parts.push_back(http::query_parameter("x=" + std::string(url.substr(0, end)), "x"));
        url.remove_prefix(std::min(end + 1, url.size()));
    }
    return parts;
}

std::vector<std::string> split_at(std::string_view text, std::string_view separators) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(separators), text.size());
        std::string part(ascii::trim(text.substr(0, end), " \t\r\n"));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (part.empty() || std::ranges::find(parts, part) != parts.end()) continue;
        parts.push_back(std::move(part));
    }
    return parts;
}

}  // namespace

Result<Visit> read_setup(std::string_view query, std::string_view base_url) {
    Visit visit{http::query_parameter(query, "flow"), {}};
    const auto parts = parts_below_flows(http::query_parameter(query, "flow_url"), base_url);
    if (visit.flow.empty() && parts.size() == 2) visit.flow = parts[0] + "/" + parts[1];
    if (!is_reference(visit.flow)) {
        return bad_link("the flow in the link is invalid. Start again from the flow's settings");
    }
    return visit;
}

Result<Visit> read_configure(std::string_view query, std::string_view base_url) {
    Visit visit{http::query_parameter(query, "flow"),
                http::query_parameter(query, "integration_id")};
    if (visit.source_id.empty()) visit.source_id = http::query_parameter(query, "source");
    const auto parts = parts_below_flows(http::query_parameter(query, "source_url"), base_url);
    if (parts.size() == 4 && parts[2] == "sources") {
        if (visit.flow.empty()) visit.flow = parts[0] + "/" + parts[1];
        if (visit.source_id.empty()) visit.source_id = parts[3];
    }
    if (visit.flow.empty()) {
        const auto flow = parts_below_flows(http::query_parameter(query, "flow_url"), base_url);
        if (flow.size() == 2) visit.flow = flow[0] + "/" + flow[1];
    }
    if (visit.flow.empty() || visit.source_id.empty() || !is_reference(visit.flow) ||
        !is_reference(visit.source_id) || visit.source_id.find('/') != std::string::npos) {
        return bad_link(
            "the link does not say which source of which flow is meant. Start again "
            "from the sources of the flow");
    }
    return visit;
}

std::string_view path_below(std::string_view path, std::string_view public_url) {
    const std::size_t host = public_url.find("://");
    const std::size_t slash =
        host == public_url.npos ? public_url.npos : public_url.find('/', host + 3);
    const std::string_view prefix =
        slash == public_url.npos ? std::string_view() : public_url.substr(slash);
    if (!path.starts_with(prefix)) return {};
    path.remove_prefix(prefix.size());
    return path.starts_with('/') ? path : std::string_view();
}

bool OpenTo::is_user(const client::Person& person) const {
    return std::ranges::any_of(users, [&](const std::string& user) {
        return (!person.id.empty() && user == person.id) ||
               (!person.email.empty() && ascii::iequals(user, person.email));
    });
}

bool OpenTo::is_organization_of(const client::Flow& flow) const {
    const std::size_t slash = flow.path.find('/');
    if (slash == std::string::npos) return false;
    return std::ranges::find(organizations, flow.path.substr(0, slash)) != organizations.end();
}

std::vector<std::string> split_lines(std::string_view text) {
    return split_at(text, "\n");
}

}  // namespace flowrelay::pages
