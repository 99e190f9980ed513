// Keeps what sources show in their flows, as set with PUT /sources and the source's flow_token.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>

namespace flowrelay::devserver {

class Sources {
public:
    /// Returns the errors of an update in the API's format; empty if it is valid.
    static boost::json::object validate(const boost::json::object& update);

    /// Applies a valid update. An empty error_message clears the error.
    void update(const boost::json::object& update);

    /// Returns {"TOKEN": {"error_message": "…", "configuration_url": "…", "updates": 2}, …}
    std::string to_json() const;

private:
    struct Source {
        std::string error_message;
        std::string configuration_url;
        std::uint64_t updates = 0;
    };
    std::map<std::string, Source, std::less<>> by_token_;
};

}  // namespace flowrelay::devserver
