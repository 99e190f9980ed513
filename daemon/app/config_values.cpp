// Parses values of the configuration that are more than a word or a number.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstddef>
#include <limits>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/ascii.hpp"

namespace flowrelay::app {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array size_units{Unit{"B", 1}, Unit{"KiB", 1ULL << 10}, Unit{"MiB", 1ULL << 20},
                                Unit{"GiB", 1ULL << 30}, Unit{"TiB", 1ULL << 40}};

Error bad_value(std::string message) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(message)};
}

/// Removes a number from the front of `text` and returns it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::string_view rest = text;
    const auto port = take_number(rest);
    if (!port || !rest.empty() || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

/// "host:port", "[v6]:port", "host" or "[v6]", split. `port` is empty if there is none. Nothing if
/// the brackets are wrong.
struct HostPort {
    std::string_view host;
    std::string_view port;
    bool bracketed = false;
    bool has_port = false;
};

std::optional<HostPort> split_host_port(std::string_view text) {
    HostPort parts;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        parts.host = text.substr(1, end - 1);
        parts.bracketed = true;
        text.remove_prefix(end + 1);
        if (text.empty()) return parts;
        if (!text.starts_with(':')) return std::nullopt;
        parts.port = text.substr(1);
        parts.has_port = true;
        return parts;
    }
    const std::size_t colon = text.find(':');
    parts.host = text.substr(0, colon);
    if (colon != std::string_view::npos) {
        parts.port = text.substr(colon + 1);
        parts.has_port = true;
        if (parts.port.find(':') != std::string_view::npos) return std::nullopt;
    }
    return parts;
}

bool is_address(std::string_view text) {
    boost::system::error_code error;
    boost::asio::ip::make_address(std::string(text), error);
    return !error;
}

bool is_host_name(std::string_view text) {
    return !text.empty() && text.size() <= 253 && text.front() != '.' && text.front() != '-' &&
           text.find("..") == std::string_view::npos &&
           std::ranges::all_of(text, [](char c) { return ascii::is_word(c, ".-_"); });
}

/// Returns whether the text can be used in a request line unchanged.
bool is_path(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '\\'; });
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
    if (text == "0") return 0;
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    const auto* const unit =
        std::ranges::find_if(size_units, [&](const Unit& u) { return u.name == text; });
    if (unit == size_units.end()) return std::nullopt;
    if (*number > std::numeric_limits<std::uint64_t>::max() / unit->factor) return std::nullopt;
    return *number * unit->factor;
}

bool is_loopback(std::string_view host) {
    if (ascii::lower(host) == "localhost") return true;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(host), error);
    return !error && address.is_loopback();
}

Result<BaseUrl> parse_base_url(std::string_view url) {
    BaseUrl parts;
    const std::size_t scheme_end = url.find("://");
    const std::string scheme = ascii::lower(url.substr(0, scheme_end));
    if (scheme_end == std::string_view::npos || (scheme != "https" && scheme != "http")) {
        return bad_value("must begin with https:// (or http://)");
    }
    parts.tls = scheme == "https";
    const std::string_view rest = url.substr(scheme_end + 3);
    if (rest.find_first_of("?#") != std::string_view::npos) {
        return bad_value("must not have a query (?) or a fragment (#)");
    }
    const std::size_t slash = rest.find('/');
    const std::string_view authority = rest.substr(0, slash);
    if (authority.find('@') != std::string_view::npos) {
        return bad_value("must not have a user or a password in it");
    }
    const auto split = split_host_port(authority);
    if (!split) return bad_value("has a host that can't be read; an IPv6 address needs brackets");
    if (split->bracketed ? !is_address(split->host) : !is_host_name(split->host)) {
        return bad_value("has no valid host name after ://");
    }
    parts.host = ascii::lower(split->host);
    parts.port = parts.tls ? 443 : 80;
    if (split->has_port) {
        const auto port = parse_port(split->port);
        if (!port || *port == 0) return bad_value("has a port that is not in 1 to 65535");
        parts.port = *port;
    }
    // The dot at the end makes the name absolute for the resolver; virtual hosts have no such dot.
    const std::string_view name =
        std::string_view(parts.host)
            .substr(0, parts.host.size() - (parts.host.ends_with('.') ? 1 : 0));
    parts.authority = split->bracketed ? fmt::format("[{}]", name) : std::string(name);
    if (parts.port != (parts.tls ? 443 : 80)) parts.authority += fmt::format(":{}", parts.port);
    if (slash != std::string_view::npos) parts.path_prefix = rest.substr(slash);
    while (parts.path_prefix.ends_with('/')) parts.path_prefix.pop_back();
    if (!is_path(parts.path_prefix)) {
        return bad_value("has a path with characters that must be percent-encoded");
    }
    return parts;
}

Result<ListenAddress> parse_listen_address(std::string_view text, bool any_address) {
    const auto split = split_host_port(text);
    if (!split || !split->has_port || !is_address(split->host) ||
        split->bracketed != (split->host.find(':') != std::string_view::npos)) {
        return bad_value("must be an address and a port, like 127.0.0.1:8025 or [::1]:8025");
    }
    const auto port = parse_port(split->port);
    if (!port) return bad_value("has a port that is not in 0 to 65535");
    if (!any_address && !is_loopback(split->host)) {
        return bad_value(
            "must be a loopback address, in 127.0.0.0/8 or ::1; "
            "the protocol has no encryption and no passwords");
    }
    return ListenAddress{std::string(split->host), *port};
}

}  // namespace flowrelay::app
