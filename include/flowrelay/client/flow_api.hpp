// Calls to the API with a user's access token: the user's flows, and the sources in them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/api_client.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/client/failure.hpp"
#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::client {

/// Used by one thread; calls block. Failures are reported through Say, and failure() returns the
/// reason of the last one.
class FlowApi {
public:
    using Answer = app::ApiClient::Answer;

    /// `config` must outlive this. Throws ConfigError.
    FlowApi(const app::Config& config, Say say);

    /// Sets the access token. Must be called before any other method.
    void use(const Secret& access) { access_ = access; }

    /// Sends a request and returns the answer, with any status.
    Result<Answer> try_call(std::string_view method, std::string_view target,
                            std::string_view body);

    /// Sends a request and returns a 2xx answer. Otherwise reports the failure like says_why_not()
    /// and returns nothing.
    std::optional<Answer> call(std::string_view method, std::string_view target,
                               std::string_view body, std::string_view what);

    /// Returns false for a 2xx answer. Otherwise reports what is wrong and returns true. `what`
    /// completes the sentence: "when asked for the flow".
    bool says_why_not(const Result<Answer>& answer, std::string_view what);

    /// Fetches a flow. `wanted` is ORG/FLOW or an id.
    std::optional<Flow> find_flow(const std::string& wanted);

    /// Returns all flows of the user, at least one; nothing after a failure.
    std::optional<std::vector<Flow>> flows();

    /// Returns the owner of the access token. All members are empty if the server does not tell, or
    /// only with the scope `profile`.
    Person person();

    /// Returns the sources of a flow; nothing if the request failed. Reports no failures. `place`
    /// is Flow::sources.
    std::optional<std::vector<ListedSource>> sources(const std::string& place);

    Failure failure() const noexcept { return failure_; }

protected:
    void say(std::string_view sentence) const { say_(sentence); }
    void fail(Failure failure, std::string_view sentence);

private:
    std::string base_url_;
    Say say_;
    app::ApiClient api_;
    Secret access_;
    Failure failure_ = Failure::try_later;
};

}  // namespace flowrelay::client
