// The API with somebody's access token: their flows, and the sources in them.
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

/// One thread; a call blocks. What goes wrong is said, and failure() tells the case.
class FlowApi {
public:
    using Answer = app::ApiClient::Answer;

    /// `config` outlives this. Throws ConfigError.
    FlowApi(const app::Config& config, Say say);

    /// To be called first.
    void use(const Secret& access) { access_ = access; }

    /// A request and its answer, whatever that is.
    Result<Answer> try_call(std::string_view method, std::string_view target,
                            std::string_view body);

    /// The answer if it is 2xx. Otherwise it was said why not, as by says_why_not().
    std::optional<Answer> call(std::string_view method, std::string_view target,
                               std::string_view body, std::string_view what);

    /// Says what is wrong with an answer that is not 2xx and returns true. `what`: "when asked for
    /// the flow".
    bool says_why_not(const Result<Answer>& answer, std::string_view what);

    /// `wanted`: ORG/FLOW, or an id.
    std::optional<Flow> find_flow(const std::string& wanted);

    /// All flows of the user; at least one.
    std::optional<std::vector<Flow>> flows();

    /// Who the access token belongs to. Servers that do not say it, or not without the scope
    /// `profile`, are no obstacle: then all is empty.
    Person person();

    /// The sources in a flow, by their place; nothing: not known. Says nothing.
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
