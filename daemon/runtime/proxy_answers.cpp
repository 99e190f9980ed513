#include "proxy_answers.hpp"

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/status_table.hpp"

namespace flowrelay::runtime {

namespace {

/// "squid" of "squid/5.7 (Debian)".
std::string_view product_of(std::string_view server) {
    return ascii::trim(server.substr(0, server.find_first_of("/ (")));
}

/// The last member of a Via says who passed it on: "1.1 gate (squid/5.7)". True if `server` is it.
bool is_last_in(std::string_view via, std::string_view server) {
    const std::string_view product = product_of(server);
    if (product.empty()) return false;
    const auto comma = via.rfind(',');
    if (comma != std::string_view::npos) via.remove_prefix(comma + 1);
    const auto open = via.find('(');
    if (open == std::string_view::npos) return false;
    return ascii::iequals(product_of(via.substr(open + 1, via.rfind(')') - open - 1)), product);
}

/// Whether a Proxy-Status has the parameter `error` (RFC 9209, section 2.1.1). A text in quotes may
/// contain the word as well, and a semicolon (RFC 8941, section 3.3.3).
bool has_error(std::string_view list) {
    bool quoted = false;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (quoted && list[i] == '\\') {
            ++i;
        } else if (list[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && list[i] == ';') {
            const std::string_view rest = list.substr(i + 1);
            if (ascii::iequals(ascii::trim(rest.substr(0, rest.find_first_of("=;,"))), "error")) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

bool is_of_proxy_itself(int status, const ProxyMarks& marks, bool passes_without_via) {
    if (is_success(status)) return false;
    if (status == 407 || !marks.authenticate.empty() || !marks.squid_error.empty()) return true;
    if (has_error(marks.proxy_status)) return true;
    if (marks.via.empty()) return !passes_without_via;
    return is_last_in(marks.via, marks.server);
}

ProxyAnswer meaning_at_proxy(int status) noexcept {
    if (status == 413 || status == 431) return ProxyAnswer::of_request;
    switch (core::verdict_of_status(status)) {
        case core::Verdict::throttled:
            return ProxyAnswer::too_fast;
        case core::Verdict::delivered:
        case core::Verdict::retry:
            return ProxyAnswer::of_request;
        default:
            return ProxyAnswer::refusal;
    }
}

}  // namespace flowrelay::runtime
