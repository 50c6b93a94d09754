import { createRoot } from "react-dom/client";

import { App } from "./App";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/panels.css";
import "./styles/stage.css";
import "./styles/dialogs.css";
import "./styles/category.css";

const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<App />);
