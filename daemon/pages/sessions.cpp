#include "pages/sessions.hpp"

#include <algorithm>
#include <utility>

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::pages {

namespace {

/// Returns whether removing the session costs the user nothing.
bool is_expendable(const Session& session) {
    return !session.in_use && session.ticket.empty() && session.access.empty() &&
           !session.pending && session.done_title.empty();
}

}  // namespace

bool Sessions::make_room() {
    if (sessions_.size() < max_) return true;
    auto oldest = sessions_.end();
    for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
        if (!is_expendable(*at->second)) continue;
        if (oldest == sessions_.end() || at->second->expires < oldest->second->expires) oldest = at;
    }
    if (oldest == sessions_.end()) return false;
    sessions_.erase(oldest);
    return true;
}

std::shared_ptr<Session> Sessions::create(std::string id, std::string csrf, MonoTime now) {
    if (!make_room()) return nullptr;
    auto session = std::make_shared<Session>();
    session->csrf = std::move(csrf);
    session->expires = now + lifetime_;
    sessions_[std::move(id)] = session;
    return session;
}

std::shared_ptr<Session> Sessions::find(std::string_view id, MonoTime now) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || found->second->expires <= now) return nullptr;
    found->second->expires = now + lifetime_;
    return found->second;
}

void Sessions::rename(std::string_view from, std::string to) {
    const auto found = sessions_.find(from);
    if (found == sessions_.end()) return;
    auto session = std::move(found->second);
    sessions_.erase(found);
    sessions_[std::move(to)] = std::move(session);
}

std::vector<std::shared_ptr<Session>> Sessions::expire(MonoTime now) {
    std::vector<std::shared_ptr<Session>> gone;
    std::erase_if(sessions_, [&](auto& entry) {
        if (entry.second->in_use || entry.second->expires > now) return false;
        gone.push_back(std::move(entry.second));
        return true;
    });
    return gone;
}

bool equal_secretly(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    unsigned different = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        different |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^
                                           static_cast<unsigned char>(b[i]));
    }
    return different == 0;
}

std::string_view cookie_value(std::string_view field, std::string_view name) {
    std::string_view found;
    bool is_there = false;
    while (!field.empty()) {
        const std::size_t end = std::min(field.find(';'), field.size());
        const std::string_view pair = ascii::trim(field.substr(0, end));
        field.remove_prefix(std::min(end + 1, field.size()));
        const std::size_t equals = pair.find('=');
        if (equals == pair.npos || pair.substr(0, equals) != name) continue;
        if (is_there) return {};
        is_there = true;
        found = pair.substr(equals + 1);
    }
    return found;
}

}  // namespace flowrelay::pages
