# Completion of the command flowrelay for bash.

_flowrelay_sources() {
    flowrelay source list --json 2> /dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p'
}

_flowrelay() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command="" action="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --socket) ((i++)) ;;
            -*) ;;
            *)
                if [[ -z $command ]]; then
                    command=${COMP_WORDS[i]}
                elif [[ -z $action ]]; then
                    action=${COMP_WORDS[i]}
                fi
                ;;
        esac
    done

    case $previous in
        --token-file | --access-token-file | --config | --socket | --invite-socket)
            COMPREPLY=($(compgen -f -- "$current"))
            return
            ;;
        --source)
            COMPREPLY=($(compgen -W "$(_flowrelay_sources)" -- "$current"))
            return
            ;;
        --event)
            [[ $command == send ]] && COMPREPLY=($(compgen -W "activity discussion" -- "$current"))
            return
            ;;
    esac

    local words=""
    case $command in
        "") words="send status queue explain dead source health top reload metrics backup restore support config spool
                   --socket --version --help" ;;
        send) words="--source --token-file --thread --thread-id --title --author --event --body
                     --status --thread-title --thread-body --url --field --tag --uuid --expires-in
                     --wait --quiet --json --help" ;;
        status) words="--json --help" ;;
        reload) words="--accept-loss --json --help" ;;
        metrics) words="--help" ;;
        backup) words="--config --help" ;;
        restore) words="--state --with-config --with-damage --user --help" ;;
        support) words="--config --unit --lines --help" ;;
        explain) words="--event --thread --source --json --help $(_flowrelay_sources)" ;;
        health) words="--warn-age --crit-age --warn-spool --crit-spool --warn-dead --json --help" ;;
        top) words="--interval --count --help" ;;
        queue | dead | source | config | spool)
            case $command:$action in
                queue:) words="list show retry drop --help" ;;
                dead:) words="list show replay drop --help" ;;
                source:) words="list show check add connect filter invite rotate pause resume enable remove --help" ;;
                config:) words="check show --help" ;;
                config:check) words="--user --unit --json --help" ;;
                config:show) words="--help" ;;
                spool:) words="verify declare-damaged test adopt book-lost --help" ;;
                spool:adopt) words="--help" ;;
                spool:verify) words="--json --quiet --help" ;;
                spool:declare-damaged) words="--help" ;;
                spool:book-lost) words="--plan --yes --help" ;;
                spool:test) words="--seconds --power-cut --acknowledged --help" ;;
                queue:list) words="--source --thread --limit --json --help" ;;
                dead:list) words="--source --limit --json --help" ;;
                queue:retry) words="--source --thread --all --plan --json --help" ;;
                queue:drop) words="--source --thread --all --plan --yes --json --help" ;;
                dead:replay) words="--source --all --plan --json --help" ;;
                dead:drop) words="--source --all --plan --yes --json --help" ;;
                source:show) words="--json --help $(_flowrelay_sources)" ;;
                *:show) words="--json --help" ;;
                source:list) words="--json --help" ;;
                source:add) words="--token-file --json --help" ;;
                source:connect) words="--flow --access-token-file --title --url --config --no-browser --wait --yes --hello --json --help" ;;
                source:filter) words="--event --tag --thread --all --json --help $(_flowrelay_sources)" ;;
                source:invite) words="--flow --expires --list --revoke --invite-socket --json --help" ;;
                source:rotate) words="--token-file --json --help $(_flowrelay_sources)" ;;
                source:remove) words="--plan --yes --delete-remote --flow --source-id --title --access-token-file --config --no-browser --wait --json --help $(_flowrelay_sources)" ;;
                source:*) words="--json --help $(_flowrelay_sources)" ;;
            esac
            if [[ $command == config || $command == spool ]] && [[ -n $action ]]; then
                COMPREPLY=($(compgen -f -W "$words" -- "$current"))
                return
            fi
            ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}

complete -o filenames -F _flowrelay flowrelay
