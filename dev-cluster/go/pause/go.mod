module chatbot.rs/dev-cluster/pause

go 1.26.0
