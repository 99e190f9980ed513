#include "no_proxy.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <optional>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/number.hpp"

namespace flowrelay::runtime {

namespace ip = boost::asio::ip;

namespace {

enum class Fit { no, yes, unusable };

std::string_view without_last_dot(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

std::optional<ip::address> address_of(std::string_view text) {
    error_code error;
    const auto address = ip::make_address(std::string(text), error);
    if (error) return std::nullopt;
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return ip::make_address_v4(ip::v4_mapped, address.to_v6());
    }
    return address;
}

Fit fit_of(bool fits) noexcept {
    return fits ? Fit::yes : Fit::no;
}

Fit fit_range(std::string_view entry, std::string_view host) {
    const std::size_t slash = entry.find('/');
    std::string_view base = entry.substr(0, slash);
    if (base.starts_with('[') && base.ends_with(']')) base = base.substr(1, base.size() - 2);
    const auto first = address_of(base);
    const auto bits = parse_number<std::uint16_t>(entry.substr(slash + 1));
    if (!first || !bits || *bits > (first->is_v4() ? 32 : 128)) return Fit::unusable;
    const auto address = address_of(host);
    if (!address || address->is_v4() != first->is_v4()) return Fit::no;
    if (first->is_v4()) {
        const auto prefix = [&](const ip::address& of) {
            return ip::network_v4(of.to_v4(), *bits).network();
        };
        return fit_of(prefix(*address) == prefix(*first));
    }
    const auto prefix = [&](const ip::address& of) {
        return ip::network_v6(of.to_v6(), *bits).network();
    };
    return fit_of(prefix(*address) == prefix(*first));
}

/// Returns whether an entry that is not an address looks like one (192.0.2, 192.0.2., 192.0.2.007,
/// 192.0.2.0-192.0.2.255, .7): the last label of a name is never a number.
bool ends_in_number(std::string_view domain) {
    return ascii::all_digits(domain.substr(domain.rfind('.') + 1));
}

Fit fit_name(std::string_view entry, std::string_view host) {
    if (entry.starts_with("*.")) entry.remove_prefix(1);
    if (entry.starts_with('.')) entry.remove_prefix(1);
    const std::string_view domain = without_last_dot(entry);
    const auto is_part_of_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    if (domain.empty() || domain.starts_with('.')) return Fit::unusable;
    if (!std::ranges::all_of(domain, is_part_of_name)) return Fit::unusable;
    if (ends_in_number(domain) && domain != host) return Fit::unusable;
    if (!host.ends_with(domain) || address_of(host)) return Fit::no;
    return fit_of(host.size() == domain.size() || host[host.size() - domain.size() - 1] == '.');
}

Fit fit(std::string_view entry, std::string_view host, std::uint16_t port) {
    if (entry == "*") return Fit::yes;
    if (entry.find('/') != std::string_view::npos) return fit_range(entry, host);
    std::string_view name = entry;
    std::string_view wanted_port;
    bool has_port = false;
    const bool bracketed = entry.starts_with('[');
    if (bracketed) {
        const std::size_t end = entry.find(']');
        if (end == std::string_view::npos) return Fit::unusable;
        name = entry.substr(1, end - 1);
        has_port = end + 1 < entry.size();
        if (has_port && entry[end + 1] != ':') return Fit::unusable;
        if (has_port) wanted_port = entry.substr(end + 2);
    } else if (std::ranges::count(entry, ':') == 1) {
        has_port = true;
        name = entry.substr(0, entry.find(':'));
        wanted_port = entry.substr(entry.find(':') + 1);
    }
    const auto number = parse_number<std::uint16_t>(wanted_port);
    if (has_port && number.value_or(0) == 0) return Fit::unusable;
    const auto address = address_of(name);
    Fit result = Fit::unusable;
    if (address) {
        result = fit_of(address == address_of(host));
    } else if (!bracketed) {
        result = fit_name(name, host);
    }
    return result == Fit::yes && has_port && *number != port ? Fit::no : result;
}

}  // namespace

NoProxy read_no_proxy(std::string_view list, std::string_view host, std::uint16_t port) {
    NoProxy result;
    const std::string name = ascii::lower(without_last_dot(host));
    while (!list.empty()) {
        const std::size_t end = std::min(list.find_first_of(", \t"), list.size());
        const std::string entry = ascii::lower(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
        if (entry.empty()) continue;
        const Fit how = fit(entry, name, port);
        if (how == Fit::unusable) result.unusable.push_back(entry);
        if (how == Fit::yes && result.match.empty()) result.match = entry;
    }
    return result;
}

}  // namespace flowrelay::runtime
