#include "pages/ledger.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "flowrelay/base/digest.hpp"

namespace flowrelay::pages {

namespace json = boost::json;

namespace {

constexpr std::int64_t format_version = 1;

Error damaged_ledger(const char* what) {
    return {make_error_code(boost::system::errc::bad_message), what};
}

/// Returns a member if it is a string; nothing otherwise.
std::optional<std::string> string_of(const json::object& object, const char* name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string(value->get_string());
}

std::optional<Invitation> read_invitation(const json::value& value) {
    if (!value.is_object()) return std::nullopt;
    const json::object& object = value.get_object();
    auto hash = string_of(object, "hash");
    auto name = string_of(object, "name");
    auto flow = string_of(object, "flow");
    const json::value* expires = object.if_contains("expires_ms");
    if (!hash || !name || !flow || expires == nullptr || !expires->is_int64()) return std::nullopt;
    const json::value* in_use = object.if_contains("in_use");
    if (in_use != nullptr && !in_use->is_bool()) return std::nullopt;
    return Invitation{std::move(*hash), std::move(*name), std::move(*flow),
                      WallTime(Milliseconds(expires->get_int64())),
                      in_use != nullptr && in_use->get_bool()};
}

std::optional<Link> read_link(const json::value& value) {
    if (!value.is_object()) return std::nullopt;
    const json::object& object = value.get_object();
    auto hash = string_of(object, "hash");
    auto flow = string_of(object, "flow");
    auto id = string_of(object, "source_id");
    if (!hash || !flow || !id) return std::nullopt;
    return Link{std::move(*hash), std::move(*flow), std::move(*id)};
}

}  // namespace

std::string hash_of(std::string_view word) {
    return base64url(sha256(word));
}

void Ledger::expire(WallTime now) {
    std::erase_if(invitations_, [now](const Invitation& each) { return each.expires <= now; });
}

bool Ledger::invite(Invitation invitation, WallTime now) {
    expire(now);
    std::erase_if(invitations_,
                  [&](const Invitation& each) { return each.name == invitation.name; });
    if (invitations_.size() >= max_invitations) return false;
    invitations_.push_back(std::move(invitation));
    return true;
}

const Invitation* Ledger::find_invitation(std::string_view hash, WallTime now) const {
    const auto found = std::ranges::find(invitations_, hash, &Invitation::hash);
    const bool is_open = found != invitations_.end() && found->expires > now && !found->in_use;
    return is_open ? &*found : nullptr;
}

std::optional<Invitation> Ledger::claim(std::string_view hash, WallTime now) {
    expire(now);
    const auto found = std::ranges::find(invitations_, hash, &Invitation::hash);
    if (found == invitations_.end() || found->in_use) return std::nullopt;
    found->in_use = true;
    return *found;
}

void Ledger::used(std::string_view hash) {
    std::erase_if(invitations_, [&](const Invitation& each) { return each.hash == hash; });
}

void Ledger::reopen(std::string_view hash) {
    const auto found = std::ranges::find(invitations_, hash, &Invitation::hash);
    if (found != invitations_.end()) found->in_use = false;
}

std::vector<std::string> Ledger::reopen_all() {
    std::vector<std::string> names;
    for (Invitation& each : invitations_) {
        if (std::exchange(each.in_use, false)) names.push_back(each.name);
    }
    return names;
}

bool Ledger::revoke(std::string_view name, WallTime now) {
    expire(now);
    return std::erase_if(invitations_, [&](const Invitation& each) { return each.name == name; }) >
           0;
}

std::vector<Invitation> Ledger::open_invitations(WallTime now) const {
    std::vector<Invitation> open;
    std::ranges::copy_if(invitations_, std::back_inserter(open),
                         [now](const Invitation& each) { return each.expires > now; });
    std::ranges::sort(open, {}, &Invitation::name);
    return open;
}

void Ledger::add_link(Link link) {
    remove_link(link.flow, link.source_id);
    if (links_.size() >= max_links) links_.erase(links_.begin());
    links_.push_back(std::move(link));
}

const Link* Ledger::find_link(std::string_view hash) const {
    const auto found = std::ranges::find(links_, hash, &Link::hash);
    return found == links_.end() ? nullptr : &*found;
}

void Ledger::remove_link(std::string_view flow, std::string_view source_id) {
    std::erase_if(
        links_, [&](const Link& each) { return each.flow == flow && each.source_id == source_id; });
}

std::string Ledger::to_text() const {
    json::array invitations;
    for (const Invitation& each : invitations_) {
        json::object invitation{{"hash", each.hash},
                                {"name", each.name},
                                {"flow", each.flow},
                                {"expires_ms", each.expires.time_since_epoch().count()}};
        if (each.in_use) invitation["in_use"] = true;
        invitations.push_back(std::move(invitation));
    }
    json::array links;
    for (const Link& each : links_) {
        links.push_back(
            json::object{{"hash", each.hash}, {"flow", each.flow}, {"source_id", each.source_id}});
    }
    return json::serialize(json::object{{"version", format_version},
                                        {"invitations", std::move(invitations)},
                                        {"links", std::move(links)}}) +
           "\n";
}

Result<Ledger> Ledger::from_text(std::string_view text) {
    boost::system::error_code error;
    const json::value parsed = json::parse(text, error);
    if (error || !parsed.is_object()) return damaged_ledger("is not a JSON object");
    const json::object& object = parsed.get_object();
    const json::value* version = object.if_contains("version");
    if (version == nullptr || *version != format_version) {
        return damaged_ledger("was written by another version of flowrelay-connect");
    }
    const json::value* invitations = object.if_contains("invitations");
    const json::value* links = object.if_contains("links");
    if (invitations == nullptr || !invitations->is_array() || links == nullptr ||
        !links->is_array()) {
        return damaged_ledger("has no lists of invitations and links");
    }
    Ledger ledger;
    for (const json::value& each : invitations->get_array()) {
        auto invitation = read_invitation(each);
        if (!invitation) return damaged_ledger("has an invalid invitation");
        ledger.invitations_.push_back(std::move(*invitation));
    }
    for (const json::value& each : links->get_array()) {
        auto link = read_link(each);
        if (!link) return damaged_ledger("has an invalid link");
        ledger.links_.push_back(std::move(*link));
    }
    return ledger;
}

}  // namespace flowrelay::pages
